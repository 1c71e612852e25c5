"""Films of known colours, coded by the standards' own formulas and by no library.

ITU-T H.273 says how red, green and blue become luma and chroma; a film is made plane by plane,
lossless, so that what comes back can be held against what went in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

#: Colours to ask for: black, white, greys, strong and soft ones.
PATCHES = np.array(
    [
        *((0, 0, 0), (255, 255, 255), (128, 128, 128), (40, 40, 40)),
        *((255, 0, 0), (0, 255, 0), (0, 0, 255), (230, 210, 40)),
        *((224, 172, 140), (60, 90, 160), (120, 30, 90), (30, 200, 190)),
    ]
)
_COLUMNS = 4

#: Shares of red and blue in luma, and the number in H.273.
MATRICES = {
    "601": (0.299, 0.114, 6),
    "709": (0.2126, 0.0722, 1),
    "2020": (0.2627, 0.0593, 9),
}


def patchwork(side: int, colours: np.ndarray = PATCHES) -> np.ndarray:
    """The colours as squares, four in a row: (H, W, 3)."""
    rows = colours.reshape(-1, _COLUMNS, 3)
    return rows.repeat(side, axis=0).repeat(side, axis=1)


def middles(picture: np.ndarray, colours: np.ndarray = PATCHES) -> np.ndarray:
    """What is shown in the middle of each square, at any scale: (N, 3)."""
    high, wide = len(colours) // _COLUMNS, _COLUMNS
    rows = ((np.arange(high) + 0.5) * picture.shape[0] / high).astype(int)
    columns = ((np.arange(wide) + 0.5) * picture.shape[1] / wide).astype(int)
    return picture[np.ix_(rows, columns)].reshape(-1, 3).astype(int)


def coded(rgb: np.ndarray, *, matrix: str, full: bool, bits: int) -> list[np.ndarray]:
    """Luma, blue and red chroma of 8-bit RGB (H, W, 3), as whole numbers of that many bits."""
    red_share, blue_share, _ = MATRICES[matrix]
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    chroma = (blue - luma) / 2 / (1 - blue_share), (red - luma) / 2 / (1 - red_share)
    if full:
        top, middle = (1 << bits) - 1, 1 << (bits - 1)
        planes = [top * luma, *(top * c + middle for c in chroma)]
    else:
        unit = 1 << (bits - 8)
        planes = [unit * (219 * luma + 16), *(unit * (224 * c + 128) for c in chroma)]
    kind = np.uint8 if bits == 8 else np.uint16
    return [np.clip(np.rint(plane), 0, (1 << bits) - 1).astype(kind) for plane in planes]


def fill(frame: av.VideoFrame, planes: list[np.ndarray]) -> None:
    """Put planes of full size into a frame, chroma thinned to its format's size."""
    for plane, values in zip(frame.planes, planes, strict=True):
        down, across = (round(a / b) for a, b in zip(
            values.shape, (plane.height, plane.width), strict=True
        ))  # fmt: skip
        thin = values[::down, ::across]
        rows = np.ndarray(
            (plane.height, plane.line_size // values.itemsize), values.dtype, memoryview(plane)
        )
        rows[:, : plane.width] = thin[: plane.height, : plane.width]


def film(
    path: Path,
    rgb: np.ndarray,
    *,
    pixels: str = "yuv420p",
    matrix: str = "709",
    full: bool = False,
    codec: str = "ffv1",
    alpha: np.ndarray | None = None,
    options: dict[str, str] | None = None,
    count: int = 1,
    **stream_settings: Any,
) -> Path:
    """A lossless film of one picture; `alpha` (H, W) from 0 to 255 where the format has it."""
    bits = av.VideoFormat(pixels).components[0].bits
    planes = coded(rgb, matrix=matrix, full=full, bits=bits)
    if pixels.startswith("gray"):
        planes = planes[:1]
    if alpha is not None:
        planes.append(alpha.astype(planes[0].dtype) << (bits - 8))
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10, options=options or {})
        stream.height, stream.width = rgb.shape[:2]
        stream.pix_fmt = pixels
        for name, value in stream_settings.items():
            setattr(stream.codec_context, name, value)
        context = stream.codec_context
        context.colorspace, context.color_range = MATRICES[matrix][2], 2 if full else 1
        for index in range(count):
            frame = av.VideoFrame(stream.width, stream.height, pixels)
            fill(frame, planes)
            frame.colorspace, frame.color_range = context.colorspace, context.color_range
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
