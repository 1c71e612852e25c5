"""Films of high dynamic range for the reel: the tone mapping of the frames, as a table.

Mapping each pixel by itself takes numpy longer than the film lasts. ffmpeg looks colours up in
a table fast enough, and interpolates between its entries.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorPrimaries, ColorTrc

from triptych.decode.hdr import tone_mapped

__all__ = ["DEEP", "Grade"]

DEEP = "rgb48le"  #: the format that frames come and go in
_SIDE = 33  # entries for each of red, green, blue: greys come out within 1 or 2 of 255


class Grade:
    """Tone-maps frames of one film, all of one size."""

    def __init__(self, like: av.VideoFrame, *, size: tuple[int, int]) -> None:
        """Make the table.

        Args:
            like: a frame as decoded, for its transfer and primaries.
            size: width and height of the frames to map.
        """
        self.kind = kind_of(like)
        self.size = size
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=size[0],
            height=size[1],
            format=av.VideoFormat(DEEP),
            time_base=Fraction(1, 1000),
        )
        with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
            file = Path(folder) / "table.cube"
            file.write_text(_table(like), encoding="ascii")
            table = self._graph.add("lut3d", file=str(file), interp="tetrahedral")
            self._graph.link_nodes(source, table, self._graph.add("buffersink")).configure()

    def mapped(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame in the format `DEEP` for an ordinary screen, in the same format."""
        frame.pts, frame.time_base = 0, Fraction(1, 1000)
        self._graph.push(frame)
        mapped = self._graph.vpull()
        mapped.color_trc, mapped.color_primaries = ColorTrc.BT709, ColorPrimaries.BT709
        return mapped


def kind_of(frame: av.VideoFrame) -> tuple[int, int]:
    """What a table depends on: transfer and primaries, as ITU-T H.273 numbers them."""
    return int(frame.color_trc), int(frame.color_primaries)


def _table(like: av.VideoFrame) -> str:
    """The table in Adobe's format .cube; red changes fastest."""
    steps = np.rint(np.linspace(0, 65535, _SIDE)).astype(np.uint16)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    codes = np.stack([red, green, blue], axis=-1).reshape(_SIDE * _SIDE, _SIDE, 3)
    colours = tone_mapped(codes, like).reshape(-1, 3) / 255
    lines = "\n".join(f"{r:.5f} {g:.5f} {b:.5f}" for r, g, b in colours.tolist())
    return f"LUT_3D_SIZE {_SIDE}\n{lines}\n"
