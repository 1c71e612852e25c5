"""storyboard.jpg: one picture that tells what a video shows, and when."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

from PIL import Image, ImageDraw

from triptych.records import Analysis
from triptych.report.fonts import Color, draw_text, text_width, wrap
from triptych.report.pictures import KeyFrame, key_frames, open_picture
from triptych.report.text import clock, one_line, score_text

__all__ = ["storyboard_jpeg"]

_FRAMES = ((600, 12), (1800, 20), (math.inf, 32))  # seconds of film: pictures, at most
_WIDTH = 1600  # of the whole sheet
_MARGIN, _GAP = 40, 20
_PAPER: Color = (18, 20, 24)
_INK: Color = (240, 242, 245)
_FAINT: Color = (150, 157, 168)
_PANEL: Color = (32, 35, 41)
_ACCENT: Color = (247, 178, 60)
_TITLE, _BODY, _SMALL = 34, 20, 17
_HEADER = 140
_LINE = 24  # of a caption


@dataclass(frozen=True, slots=True)
class _Grid:
    columns: int
    width: int  #: of one picture
    height: int


def storyboard_jpeg(analysis: Analysis, *, name: str) -> bytes | None:
    """A contact sheet, or None for a video without pictures.

    Up to 10 minutes have at most 12 pictures, up to 30 minutes 20, and longer films 32.

    Args:
        analysis: what was found.
        name: the file's name, shown on top.
    """
    most = next(count for seconds, count in _FRAMES if analysis.duration_s <= seconds)
    frames = key_frames(analysis, most)
    if not frames:
        return None
    pictures = [open_picture(analysis.thumbnails.jpeg[frame.index]) for frame in frames]
    grid = _grid(pictures[0].width / pictures[0].height, len(frames))
    captions = [_caption(analysis, frame, grid.width) for frame in frames]
    rows = math.ceil(len(frames) / grid.columns)
    words = [
        max(map(len, captions[r * grid.columns : (r + 1) * grid.columns])) for r in range(rows)
    ]
    tops = [_HEADER + sum(_row_height(grid, w) for w in words[:r]) for r in range(rows + 1)]
    sheet = Image.new("RGB", (_WIDTH, tops[-1] - _GAP + _MARGIN), _PAPER)
    _header(ImageDraw.Draw(sheet), analysis, name)
    for i, (frame, picture) in enumerate(zip(frames, pictures, strict=True)):
        x = _left(grid) + i % grid.columns * (grid.width + _GAP)
        y = tops[i // grid.columns]
        _cell(sheet, (x, y), grid, picture, frame, frame.time_s - analysis.info.start_s)
        for line, text in enumerate(captions[i]):
            baseline = y + grid.height + 14 + _SMALL + line * _LINE
            draw_text(ImageDraw.Draw(sheet), (x + 2, baseline), text, size=_SMALL, fill=_FAINT)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88, optimize=True)
    return buffer.getvalue()


def _grid(aspect: float, count: int) -> _Grid:
    """Columns and picture size that fill the sheet for this shape of picture."""
    shape = min(max(aspect, 0.5), 2.6)  # panoramas and slivers get bars instead
    columns = 4 if shape > 1.2 else 5 if shape > 0.8 else 6
    columns = max(1, min(columns, count))
    width = (_WIDTH - 2 * _MARGIN - _GAP * (columns - 1)) // columns
    if count < 3:  # one picture over the whole sheet would be a poster
        width = min(width, (_WIDTH - 2 * _MARGIN - 2 * _GAP) // 3)
    return _Grid(columns, width, round(width / shape))


def _left(grid: _Grid) -> int:
    used = grid.columns * grid.width + _GAP * (grid.columns - 1)
    return _MARGIN if grid.columns < 3 else (_WIDTH - used) // 2


def _row_height(grid: _Grid, lines: int) -> int:
    return grid.height + _GAP + (lines * _LINE + 14 if lines else 0)


def _caption(analysis: Analysis, frame: KeyFrame, width: int) -> list[str]:
    """What is said while the picture is on screen, in at most two lines."""
    said = " ".join(
        one_line(cue.text)
        for cue in analysis.cues
        if cue.start_s <= frame.time_s < max(cue.end_s, cue.start_s + 1.0)
    )
    if not said and frame.segment is not None:
        said = one_line(frame.segment.words)
    return wrap(said, size=_SMALL, width=width - 4, lines=2) if said else []


def _header(draw: ImageDraw.ImageDraw, analysis: Analysis, name: str) -> None:
    room = _WIDTH - 2 * _MARGIN
    facts = clock(analysis.duration_s)
    title = wrap(one_line(name), size=_TITLE, width=room - 160, lines=1)
    draw_text(draw, (_MARGIN, 62), title[0] if title else "-", size=_TITLE, fill=_INK)
    draw_text(
        draw,
        (_WIDTH - _MARGIN - text_width(facts, _TITLE), 62),
        facts,
        size=_TITLE,
        fill=_FAINT,
    )
    x = float(_MARGIN)
    for i, label in enumerate(analysis.prediction.ranked[:5]):
        text = one_line(label.label)
        share = score_text(label.score, analysis.prediction.kind)
        width = 28 + text_width(text, _BODY) + 10 + text_width(share, _BODY)
        if x + width > _WIDTH - _MARGIN:
            break
        draw.rounded_rectangle((x, 80, x + width, 114), radius=17, fill=_PANEL)
        draw_text(draw, (x + 14, 104), text, size=_BODY, fill=_INK if i == 0 else _FAINT)
        after = x + 24 + text_width(text, _BODY)
        draw_text(draw, (after, 104), share, size=_BODY, fill=_ACCENT if i == 0 else _FAINT)
        x += width + 10


def _cell(
    sheet: Image.Image,
    xy: tuple[int, int],
    grid: _Grid,
    picture: Image.Image,
    frame: KeyFrame,
    shown_s: float,
) -> None:
    """One picture with rounded corners, its time, and an accent if it is a key moment."""
    size = (grid.width, grid.height)
    scale = min(grid.width / picture.width, grid.height / picture.height)
    # Thumbnails are rounded to whole pixels: bars of a pixel or two would be ugly.
    inner = tuple(
        full if full - part * scale < 4 else max(1, round(part * scale))
        for full, part in zip(size, picture.size, strict=True)
    )
    cell = Image.new("RGB", size, _PANEL)
    resized = picture.resize((inner[0], inner[1]), Image.Resampling.LANCZOS)
    cell.paste(resized, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    _badge(cell, clock(shown_s), accent=frame.segment is not None)
    mask = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), 40, fill=255)
    sheet.paste(cell, xy, mask.resize(size, Image.Resampling.BOX))
    if frame.segment is not None:
        x, y = xy
        box = (x - 3, y - 3, x + size[0] + 2, y + size[1] + 2)
        ImageDraw.Draw(sheet).rounded_rectangle(box, 13, outline=_ACCENT, width=3)


def _badge(cell: Image.Image, text: str, *, accent: bool) -> None:
    """The time in the lower left corner, readable on any picture."""
    width, height = round(text_width(text, _SMALL)) + 16, 26
    if width + 8 > cell.width or height + 8 > cell.height:
        return
    at = (8, cell.height - height - 8)
    plate = Image.new("RGB", (width, height), _ACCENT if accent else (0, 0, 0))
    shape = Image.new("L", (width * 4, height * 4), 0)
    opaque = 255 if accent else 170
    ImageDraw.Draw(shape).rounded_rectangle(
        (0, 0, shape.width - 1, shape.height - 1), 24, fill=opaque
    )
    cell.paste(plate, at, shape.resize(plate.size, Image.Resampling.BOX))
    ink = (30, 22, 4) if accent else _INK
    draw_text(ImageDraw.Draw(cell), (at[0] + 8, at[1] + 19), text, size=_SMALL, fill=ink)
