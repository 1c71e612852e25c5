"""Pictures -> burned-in captions, for videos that bring no subtitles of their own.

PP-OCR by rapidocr on its packaged weights. A picture in which little changed is not looked at
again, and a line whose place and strokes are those of the last picture is not read again.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np

from triptych.config import Ocr
from triptych.extract.captions import Box, Captions, Line, overlap
from triptych.extract.registry import Extraction
from triptych.extract.specs import STILL_FPS
from triptych.extract.weights import find_weights, read_weights
from triptych.records import Cue, Floats, Pixels, Stills

__all__ = ["CaptionReader"]

_STRIP = 1 / 3  # of the picture's height
_DETECTED_SIDE = 960  # pixels of the longer side, in which lines are looked for
_BANNER_S = 30.0  # a line at the foot of the picture that stays longer is no caption
_SURE = 0.8  # score below which a line is rather a pattern of the background
_SMALLEST = 0.02  # height of a line, over the short side of the picture
_POOL, _CELL = 4, 8  # pixels a side to a mean, and means a side to a cell
_CHANGED = 6.0  # grey levels; what coding changes lies below, new strokes above
_SAME_BOX, _SAME_INK = 0.8, 0.8  # of a line that is not read again
_FLAT = 8.0  # grey levels; contrast below it is no stroke
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


class CaptionReader:
    """Stills to cues.

    Args:
        part: "strip" for the lower third of the picture, "full" for all of it.
    """

    takes: ClassVar[tuple[type, ...]] = (Stills,)

    def __init__(self, part: Ocr = "strip") -> None:
        self._strip = part == "strip"
        self._engine = _engine()

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        captions = Captions(longest_s=_BANNER_S if self._strip else float("inf"))
        eye, end_s = _Eye(self._engine), 0.0
        while (stills := (yield)) is not None:
            high = stills.rgb.shape[1]
            first = high - max(1, round(high * _STRIP)) if self._strip else 0
            smallest = _SMALLEST * min(stills.rgb.shape[1:3])
            for picture, pts_s in zip(stills.rgb, stills.pts_s.tolist(), strict=True):
                lines = eye.read(picture[first:])
                captions.see([line for line in lines if _plausible(line, smallest)], pts_s)
                end_s = pts_s + 1 / STILL_FPS
        cues: tuple[Cue, ...] = captions.finish(end_s)
        return {"ocr": cues}


class _Eye:
    """Reads one picture after another; what did not change is remembered."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._grey = np.zeros((0, 0), np.float32)
        self._means = np.zeros((0, 0), np.float32)
        self._lines: list[Line] = []

    def read(self, picture: Pixels) -> list[Line]:
        """Lines of a picture (H, W, 3)."""
        grey = picture @ _GREY
        means = _pooled(grey, _POOL)
        same_size = grey.shape == self._grey.shape
        # Compared with the picture that was read last, so that slow changes add up.
        if same_size and np.abs(_pooled(means - self._means, _CELL, signed=False)).max() < _CHANGED:
            return self._lines
        known = self._lines if same_size else []
        lines = []
        for box in self._boxes(picture):
            again = (
                line
                for line in known
                if overlap(line.box, box) >= _SAME_BOX and _same_ink(self._grey, grey, line.box)
            )
            lines.append(next(again, None) or self._line(picture, box))
        self._grey, self._means, self._lines = grey, means, lines
        return lines

    def _boxes(self, picture: Pixels) -> list[Box]:
        found = self._engine(_bgr(picture), use_det=True, use_rec=False)
        corners = getattr(found, "boxes", None)
        if corners is None:
            return []
        high, wide = picture.shape[:2]
        low = np.floor(np.clip(corners.min(axis=1), 0, None))
        top = np.minimum(np.ceil(corners.max(axis=1)), (wide, high))
        boxes = (Box(*a, *b) for a, b in zip(low.tolist(), top.tolist(), strict=True))
        return [box for box in boxes if box.right > box.left and box.bottom > box.top]

    def _line(self, picture: Pixels, box: Box) -> Line:
        crop = _cut(picture, box)
        read = self._engine(_bgr(crop), use_det=False, use_rec=True)
        texts, scores = getattr(read, "txts", None) or ("",), getattr(read, "scores", None) or (0,)
        return Line(box=box, text=" ".join(texts[0].split()), score=float(scores[0]))


def _pooled(values: Floats, side: int, *, signed: bool = True) -> Floats:
    """Means of squares of `side` values, the last ones repeated to fill them."""
    values = values if signed else np.abs(values)
    high, wide = values.shape
    padded = np.pad(values, ((0, -high % side), (0, -wide % side)), mode="edge")
    squares = padded.reshape(padded.shape[0] // side, side, padded.shape[1] // side, side)
    return squares.mean(axis=(1, 3))


def _same_ink(before: Floats, now: Floats, box: Box) -> bool:
    """Whether all parts of a line, each about a character wide, look as they did."""
    one, other = _cut(before, box), _cut(now, box)
    side = one.shape[0]
    for left in range(0, one.shape[1], side):
        a, b = one[:, left : left + side], other[:, left : left + side]
        spread = float(a.std() * b.std())
        if spread < _FLAT**2:
            if abs(float(a.mean() - b.mean())) > _FLAT or max(a.std(), b.std()) > 2 * _FLAT:
                return False
        elif float(((a - a.mean()) * (b - b.mean())).mean()) < _SAME_INK * spread:
            return False
    return True


def _cut(picture: Any, box: Box) -> Any:
    return picture[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]


def _bgr(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[..., ::-1])


def _plausible(line: Line, smallest: float) -> bool:
    """Whether a line is likely to be words."""
    letters = [ch for ch in line.text if ch.isalnum()]
    lone = len(letters) < 2 and line.text.isascii()
    tall = line.box.bottom - line.box.top >= smallest
    return tall and bool(letters) and not lone and line.score >= _SURE


@functools.cache
def _engine() -> Any:
    """The reader, on weights that are the pinned ones; nothing of it looks for others."""
    read_weights("pp-ocrv6-det"), read_weights("pp-ocrv6-rec")
    import cv2
    from rapidocr import RapidOCR

    cv2.setNumThreads(1)
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,  # captions do not stand on their head
            "Det.limit_type": "max",
            "Det.limit_side_len": _DETECTED_SIDE,
            "Det.model_path": str(find_weights("pp-ocrv6-det")[0]),
            "Rec.model_path": str(find_weights("pp-ocrv6-rec")[0]),
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
