"""What all pictures of a model share: colours, fonts of any script, quiet axes.

Only matplotlib's objects are used, never pyplot, so nothing outside a picture is changed and no
display is needed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len, set_cell_size

from triptych.report.fonts import font_files
from triptych.report.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DARK",
    "LIGHT",
    "Palette",
    "figure_of",
    "frame",
    "round_ticks",
    "set_fonts",
    "short",
    "ticks",
]

_LABEL_CELLS = 22  # width of a label; a Chinese character takes two


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of the page the picture stands on (templates/style.css)."""

    panel: str = "#ffffff"
    ink: str = "#1d1f23"
    faint: str = "#686e79"
    line: str = "#e5e2dc"
    accent: str = "#b26a00"
    image: str = "#3f74d1"
    motion: str = "#8457c9"
    audio: str = "#1f9270"
    text: str = "#bb4a93"

    def of(self, evidence: str) -> str:
        """The colour of a kind of evidence."""
        known = ("image", "motion", "audio", "text")
        return getattr(self, evidence) if evidence in known else self.faint


LIGHT = Palette()
DARK = Palette(
    panel="#1a1d23",
    ink="#eceef2",
    faint="#979eaa",
    line="#2b2f38",
    accent="#f7b23c",
    image="#6f9df0",
    motion="#b18cf0",
    audio="#4cc39a",
    text="#e07fbd",
)


@functools.cache
def _fonts() -> tuple[tuple[Path, frozenset[int]], ...]:
    """Font files with the characters they have; matplotlib's own comes last."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    own = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    found = []
    for path in (*font_files(), own):
        try:
            found.append((path, frozenset(FT2Font(str(path)).get_charmap())))
        except (RuntimeError, OSError):  # a kind of font file that FreeType was built without
            continue
    return tuple(found)


def _drawable(text: str) -> tuple[str, Path]:
    """Text and the font that has most of it; a character that is in none becomes a box."""
    text = "".join(c for c in text if c.isprintable())
    codes = {ord(c) for c in text}
    path, has = max(_fonts(), key=lambda font: len(codes & font[1]))
    blank = "□" if ord("□") in has else "?"
    return "".join(c if ord(c) in has else blank for c in text), path


def set_fonts(figure: Figure) -> None:
    """Give each text its font, and keep dollar signs from being taken for formulas."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.text import Text

    for item in figure.findobj(Text):
        assert isinstance(item, Text)
        text, path = _drawable(item.get_text())
        item.set_parse_math(False)
        item.set_text(text)
        item.set_fontproperties(FontProperties(fname=str(path), size=item.get_fontsize()))
        if hasattr(item, "set_language"):  # since matplotlib 3.11
            item.set_language("zh-Hans")


def short(label: str) -> str:
    """A label that leaves room for the picture."""
    text = one_line(label) or "(empty)"
    return text if cell_len(text) <= _LABEL_CELLS else set_cell_size(text, _LABEL_CELLS - 3) + "..."


def figure_of(width: float, height: float, colors: Palette) -> Figure:
    """An empty figure; sizes in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    return Figure((width, height), facecolor=colors.panel, layout=engine)


def frame(axes: Axes, colors: Palette, *, grid: Literal["x", "y", ""] = "y") -> None:
    """Take away everything around the data but a line to stand on and a faint grid."""
    axes.set_facecolor(colors.panel)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(side == "bottom" and grid == "y")
        axes.spines[side].set_color(colors.line)
    axes.tick_params(colors=colors.faint, labelsize=9.5, length=0, pad=5)
    if grid:
        axes.grid(axis=grid, color=colors.line, linewidth=0.8)
        axes.set_axisbelow(True)


def ticks(
    axes: Axes, *, x: Mapping[float, str] | None = None, y: Mapping[float, str] | None = None
) -> None:
    """Set what stands at which place of the axes.

    Always set, because ticks that are made while drawing would not have our fonts.
    """
    if x is not None:
        axes.set_xticks(list(x), [_drawable(text)[0] for text in x.values()])
    if y is not None:
        axes.set_yticks(list(y), [_drawable(text)[0] for text in y.values()])


def round_ticks(
    low: float, high: float, *, most: int = 6, whole: bool = False, share: bool = False
) -> dict[float, str]:
    """Round numbers from `low` to `high` and how they are written."""
    from matplotlib.ticker import MaxNLocator

    steps = MaxNLocator(most, integer=whole)
    values = steps.tick_values(low, high) if low < high else [low]
    inside = [float(v) for v in values if low - 1e-9 <= v <= high + 1e-9]
    return {v: f"{v * 100:.0f}%" if share else f"{v + 0.0:g}".replace("-", "−") for v in inside}
