"""What several commands take, and how each is added."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["EPILOG", "add_common", "add_extract", "add_inputs", "add_words", "command", "named"]

EPILOG = """\
exit codes: 0 all done; 1 some failed or could be read only in part; 2 the command or its input
is wrong; 3 nothing succeeded; 130 interrupted, 143 ended by SIGTERM (the same command goes on
where it stopped)"""


def command(
    commands: Any, name: str, *, what: str, epilog: str = EPILOG
) -> argparse.ArgumentParser:
    """A command with its help."""
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=what,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return added


def named(folder: str) -> str:
    """A folder; empty would be the working folder, which an unset variable hardly means."""
    if not folder:
        raise argparse.ArgumentTypeError("the name is empty")
    return folder


def add_inputs(command: argparse.ArgumentParser, *, metavar: str, also: str) -> None:
    """Files, folders, globs, manifests."""
    command.add_argument(
        "inputs",
        nargs="+",
        action="extend",
        metavar=metavar,
        help="files, folders (recursive), globs, or a manifest (.csv, .jsonl) with a column path "
        + also,
    )


def add_extract(command: argparse.ArgumentParser) -> None:
    """Extractors besides those of the preset."""
    command.add_argument(
        "--extract",
        action="extend",
        type=_items,
        metavar="NAME[=MODEL]",
        help="an extractor besides: motion, or with a model of yours, such as clip=/models/clip or "
        "clip=openai/clip-vit-base-patch32; `triptych models` lists them; may be repeated",
    )


def _items(listed: str) -> list[str]:
    return [item.strip() for item in listed.split(",") if item.strip()]


def add_words(command: argparse.ArgumentParser) -> None:
    """Where words come from that no subtitles give."""
    command.add_argument(
        "--asr",
        choices=("auto", "always", "never"),
        help="recognise speech: auto where a video has no subtitles (auto)",
    )
    command.add_argument(
        "--ocr",
        choices=("never", "strip", "full"),
        help="read burned-in captions where a video has no subtitles: in the lower third of the "
        "picture, or in all of it; speech is then recognised only where there are none (never)",
    )


def add_common(command: argparse.ArgumentParser) -> None:
    """What every command takes that works through videos."""
    command.add_argument(
        "--frames-fps",
        type=float,
        metavar="N",
        help="folders of numbered pictures are films, with so many pictures a second",
    )
    command.add_argument("--workers", type=int, metavar="N", help="processes (one a core)")
    command.add_argument("--config", metavar="FILE", help="configuration in TOML")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="assignments",
        help="one setting, for example decode.short_side=384; may be repeated",
    )
    command.add_argument("--quiet", action="store_true", help="print nothing but errors")
    command.add_argument("--json", action="store_true", help="print the totals as one JSON object")
    command.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="of what is said (text)"
    )
    command.add_argument("--log-file", metavar="FILE", help="add events to a file, in JSON lines")
    command.add_argument("--verbose", action="store_true", help="log what happens inside")
