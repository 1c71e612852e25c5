"""Small films of high dynamic range, of signals that a test chooses."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

PQ, HLG, BT709 = 16, 18, 1
BT2020 = 9


def film(
    path: Path,
    rgb: np.ndarray,
    *,
    transfer: int,
    codec: str = "libx265",
    primaries: int = BT2020,
    rotation: int = 0,
) -> Path:
    """A second of 10-bit 4:4:4, of signals (H, W, 3) from 0 to 1."""
    with av.open(str(path), "w") as out:
        options = {"x265-params": "lossless=1:log-level=none:pools=none"}
        stream = out.add_stream(codec, rate=10, options=options if codec == "libx265" else {})
        stream.height, stream.width = rgb.shape[:2]
        stream.pix_fmt = "yuv444p10le"
        if rotation:
            stream.set_display_rotation(rotation)
        context = stream.codec_context
        context.color_trc, context.color_primaries = transfer, primaries
        context.colorspace, context.color_range = 9, 1
        luma = rgb @ (0.2627, 0.6780, 0.0593)
        planes = (
            64 + 876 * luma,
            512 + 896 * (rgb[..., 2] - luma) / 1.8814,
            512 + 896 * (rgb[..., 0] - luma) / 1.4746,
        )
        yuv = np.stack([np.rint(plane).astype(np.uint16) for plane in planes])
        for index in range(10):
            frame = av.VideoFrame(stream.width, stream.height, "yuv444p10le")
            for plane, values in zip(frame.planes, yuv, strict=True):
                rows = np.ndarray(
                    (plane.height, plane.line_size // 2), np.uint16, buffer=memoryview(plane)
                )
                rows[:, : values.shape[1]] = values
            frame.color_trc, frame.color_primaries = transfer, primaries
            frame.colorspace, frame.color_range = 9, 1
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def patches(colours: np.ndarray, side: int = 32) -> np.ndarray:
    return np.repeat(np.repeat(colours[None], side, axis=0), side, axis=1)
