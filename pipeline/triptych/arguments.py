"""The command line's grammar: commands and their options."""

from __future__ import annotations

import argparse

from triptych import __version__
from triptych.arguments_common import EPILOG
from triptych.arguments_keeping import add_cache, add_doctor, add_models
from triptych.arguments_learning import add_evaluate, add_train
from triptych.arguments_working import add_decode, add_reel, add_run, add_watch

__all__ = ["parser"]


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="triptych",
        description="Folders of video into labels, summaries and a timeline. Offline, on a CPU.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"triptych {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_run(commands)
    add_watch(commands)
    add_decode(commands)
    add_train(commands)
    add_evaluate(commands)
    add_reel(commands)
    add_cache(commands)
    add_doctor(commands)
    add_models(commands)
    return top
