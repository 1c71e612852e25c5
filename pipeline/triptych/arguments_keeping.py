"""Commands about what a machine has and keeps: cache, models, doctor."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_cache", "add_doctor", "add_models"]

# As in triptych.share, which takes numpy to ask.
_LAYOUTS = ("parquet", "npz", "vsumm", "mmsa", "webdataset")

_EVALUATED = ("labels", "summary")


def add_cache(commands: Any) -> None:
    """`triptych cache`."""
    what = "say what the feature store holds, check it, shrink it, or write it for other tools"
    actions = commands.add_parser("cache", help=what, description=what).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    for name, told in (
        ("stats", "say what it holds"),
        ("verify", "read all of it; what is damaged is moved aside, and made again when needed"),
        ("prune", "remove what was used longest ago; never what a run that is at work needs"),
        ("export", "write the features of a finished run in the layout of another tool"),
    ):
        action = actions.add_parser(name, help=told, description=told)
        if name == "prune":
            action.add_argument(
                "--max-size",
                required=True,
                metavar="SIZE",
                help="of what is left, for example 20GB; 0: nothing is left",
            )
        if name == "export":
            action.add_argument("out", metavar="OUT", help="folder of results of `triptych run`")
            action.add_argument("target", metavar="TARGET", help="a new or empty folder")
            action.add_argument("--layout", required=True, choices=_LAYOUTS)
            action.add_argument(
                "--tracks", metavar="LIST", help="such as image,audio (those the layout is for)"
            )
        action.add_argument("--json", action="store_true", help="print one JSON object")


def add_models(commands: Any) -> None:
    """`triptych models`."""
    what = "list extractors, models and presets: licence, size, whether present; or fetch models"
    models = commands.add_parser("models", help=what, description=what)
    models.add_argument("--json", action="store_true", help="print one JSON object")
    actions = models.add_subparsers(dest="action", metavar="ACTION")
    told = "download models for later runs, which never download; nothing else uses the network"
    fetch = actions.add_parser("fetch", help=told, description=told)
    fetch.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="its id on the hub (openai/clip-vit-base-patch32), or as after --extract "
        "(torchvision=resnet50)",
    )
    # Its own default would undo a --json before the word fetch.
    fetch.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object"
    )


def add_doctor(commands: Any) -> None:
    """`triptych doctor`."""
    what = "say what this machine has, and what to install for the rest"
    doctor = commands.add_parser("doctor", help=what, description=what)
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
