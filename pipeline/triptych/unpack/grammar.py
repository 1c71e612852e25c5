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
        help="which frames: fps:1 (so many a second), and nothing else so far (fps:1)",
    )
    decode.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="exact",
        help="exact: the frame on screen at that time (exact)",
    )
    decode.add_argument(
        "--tolerance", type=float, default=0.0, metavar="S", help="seconds, with near (0)"
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
