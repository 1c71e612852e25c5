"""The options of `triptych decode`, and the wishes that they stand for."""

from __future__ import annotations

import argparse

from triptych.config import Config
from triptych.unpack.wishes import PICTURES, PRECISIONS, SOUNDS, Wishes

__all__ = ["add_options", "wishes_of"]


def add_options(decode: argparse.ArgumentParser) -> None:
    """Add what `triptych decode` alone has."""
    decode.add_argument(
        "--sample",
        metavar="HOW",
        help="which frames: fps:1 (so many a second), every:2 (seconds), uniform:16 (so many in "
        "all), keyframes, times:1,2.5 (seconds), shots:2 (so many of each shot), windows:4/2/8 "
        "(their length and the step between them in seconds, frames in each) (fps:1)",
    )
    decode.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="exact",
        help="which frame stands for a time: the one on screen; one near it that costs less to "
        "decode; the last key frame (exact)",
    )
    decode.add_argument(
        "--tolerance",
        type=float,
        default=0.5,
        metavar="S",
        help="how far from its time a frame may be, with near (0.5)",
    )
    decode.add_argument(
        "--frames", choices=PICTURES, default="jpg", help="kind of pictures, or none (jpg)"
    )
    decode.add_argument(
        "--short-side", type=int, metavar="N", help="scale frames down to so many pixels (as is)"
    )
    decode.add_argument(
        "--sound", choices=SOUNDS, default="wav", help="mono, 16 kHz; or none (wav)"
    )
    decode.add_argument("--no-spectrogram", action="store_true", help="write none")
    decode.add_argument(
        "--start", type=float, metavar="S", help="begin here, in seconds from the film's start"
    )
    decode.add_argument("--end", type=float, metavar="S", help="end here")
    decode.add_argument(
        "--plan",
        action="store_true",
        help="say which packets would be decoded for these frames, and why the others not; "
        "nothing is decoded or written",
    )
    decode.add_argument(
        "--overwrite", action="store_true", help="replace what an earlier command wrote there"
    )


def wishes_of(arguments: argparse.Namespace, config: Config, given: set[tuple[str, str]]) -> Wishes:
    """What the options ask for.

    Raises:
        UsageError: they cannot be read, or do not fit each other.
    """
    asked = ("decode", "short_side") in given  # its default is the networks', not people's
    return Wishes(
        frames=arguments.frames,
        sound=arguments.sound,
        spectrogram=not arguments.no_spectrogram,
        sample=arguments.sample or f"fps:{config.decode.fps:g}",
        precision=arguments.precision,
        tolerance_s=arguments.tolerance,
        short_side=config.decode.short_side if asked else None,
        start_s=arguments.start,
        end_s=arguments.end,
    )
