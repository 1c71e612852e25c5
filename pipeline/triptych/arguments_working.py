"""Commands that work through videos: run, watch, decode, reel."""

from __future__ import annotations

import argparse
from typing import Any

from triptych.arguments_common import (
    EPILOG,
    add_common,
    add_extract,
    add_inputs,
    add_words,
    command,
    named,
)
from triptych.config import FORMATS, USUAL_FORMATS
from triptych.unpack.grammar import add_options

__all__ = ["add_decode", "add_reel", "add_run", "add_watch"]

_EPILOG_OF_RUN = f"""\
The same command again goes on where it stopped: what is finished is not touched. A video that
failed is tried again if the machine was to blame (a full disk, a file that could not be read),
if the file or the configuration changed, or with --retry-failed. A lost worker or a time limit
gets a second attempt in the same run.

{EPILOG}"""


def add_run(commands: Any) -> None:
    """`triptych run`."""
    what = "analyse files, folders, globs and manifests"
    run = command(commands, "run", what=what, epilog=_EPILOG_OF_RUN)
    add_inputs(run, metavar="INPUT", also="and optionally label, start, end, split, group, fps")
    _add_answers(run)
    run.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and how long it would take"
    )
    run.add_argument(
        "--retry-failed", action="store_true", help="also what failed, or could be read in part"
    )
    run.add_argument(
        "--overwrite", action="store_true", help="also what is finished; features are kept"
    )
    run.add_argument(
        "--verify",
        action="store_true",
        default=None,
        help="read all files again, also those that look as they did",
    )
    add_common(run)


def add_watch(commands: Any) -> None:
    """`triptych watch`."""
    what = "work through a folder, then through what arrives in it, until SIGTERM or Ctrl-C"
    watch = command(commands, "watch", what=what)
    watch.add_argument("folder", metavar="FOLDER", help="the folders in it included")
    _add_answers(watch)
    watch.add_argument(
        "--once",
        action="store_true",
        help="end when all that is complete is done; what still grows is left for another time",
    )
    watch.add_argument("--poll", type=float, metavar="S", help="seconds between two looks (5)")
    watch.add_argument(
        "--settle",
        type=float,
        metavar="S",
        help="a file is complete when it was left alone for so many seconds (5)",
    )
    add_common(watch)


def add_decode(commands: Any) -> None:
    """`triptych decode`."""
    what = "write frames, spectrogram, sound and words as plain files, without any model"
    decode = command(commands, "decode", what=what)
    add_inputs(decode, metavar="FILE", also="and optionally start, end")
    decode.add_argument(
        "-o",
        "--out",
        type=named,
        metavar="DIR",
        help="folder for the files; of several films each gets a folder in it",
    )
    add_options(decode)
    add_common(decode)


def add_reel(commands: Any) -> None:
    """`triptych reel`."""
    what = "one reel of a folder: the best moments of its videos, their titles as chapters"
    reel = command(commands, "reel", what=what)
    reel.add_argument(
        "folder", metavar="OUT|FOLDER", help="results of `triptych run`; or videos, analysed first"
    )
    reel.add_argument(
        "-o", "--out", type=named, required=True, metavar="REEL", help="the MP4 file to write"
    )
    reel.add_argument(
        "--length",
        default="60s",
        metavar="LENGTH",
        help='at most: "60s", or a share of all videos such as "5%%" (60s)',
    )
    add_common(reel)


def _add_answers(run: argparse.ArgumentParser) -> None:
    """What `run` and `watch` have in common."""
    run.add_argument(
        "-o", "--out", type=named, required=True, metavar="OUT", help="folder for the results"
    )
    run.add_argument(
        "--labels",
        metavar="LABELS",
        help='what to look for: "cat,dog", a file with one label a line, or a built-in list '
        "(everyday)",
    )
    run.add_argument(
        "--model", metavar="MODEL", help="folder of a trained model, whose labels are used instead"
    )
    run.add_argument(
        "--preset",
        help="set of extractors: embedded, full (also motion), light, clip, best, or a .toml file (embedded)",
    )
    add_extract(run)
    run.add_argument("--fps", type=float, help="sampled frames a second (1)")
    run.add_argument(
        "--summary",
        metavar="LENGTH",
        help='length of the summary: "15%%" (at least 3 s), "30s" or "8shots"',
    )
    run.add_argument(
        "--llm",
        metavar="PATH|ID",
        help="local language model that rewrites the summary, a source for each sentence (none)",
    )
    add_words(run)
    run.add_argument("--lang", metavar="CODE", help="language of labels and texts: en or zh (auto)")
    run.add_argument(
        "--format",
        metavar="LIST",
        help=f"files for each video besides analysis.json ({','.join(USUAL_FORMATS)}); there are "
        f"also {', '.join(FORMATS[len(USUAL_FORMATS) :])}",
    )
    run.add_argument(
        "--max-failures",
        type=_allowed,
        metavar="N|P%",
        help="stop when more videos failed: a number, or a share of at least 20 (no limit)",
    )
    run.add_argument(
        "--metrics", metavar="FILE", help="figures for Prometheus, kept up to date in a .prom file"
    )


def _allowed(failures: str) -> str:
    """How many failures; empty is what an unset variable gives, and would be no limit at all."""
    if not failures.strip():
        raise argparse.ArgumentTypeError("it is empty: give a number or a share, or leave it out")
    return failures
