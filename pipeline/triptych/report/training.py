"""METRICS -> CARD AND PAGE: what stands beside a trained model for people to read.

| file | format name | what it is |
| --- | --- | --- |
| `README.md` | `card` | the model card: data, recipe, figures, limits, use |
| `report.html` | `html` | the same on one page that needs no network, for light and dark screens |
| `plots/*.png` | as in `plots.PLOTS` | the pictures of both; needs the extra `plots` |
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.atomic import is_disk_trouble
from triptych.errors import OutputError
from triptych.report import plots
from triptych.report.card import card_values
from triptych.report.files import remove, write_bytes, write_text
from triptych.report.findings import (
    Metrics,
)
from triptych.report.templating import render, render_markdown
from triptych.report.text import one_line

__all__ = ["write_training_report"]

log = logging.getLogger(__name__)

_HALF_PX = 640  # of the page's width
_CAPTIONS = {
    "confusion": (
        "What is taken for what",
        (
            "Each row holds the {split} videos of one label. Blue was right, amber was taken for"
            " the label below; the stronger the colour, the larger the share of the row."
        ),
    ),
    "reliability": (
        "Can its confidence be trusted?",
        (
            "Measured on the {split} videos. On the dashed line, what it calls 80% sure is right eight times"
            " in ten; above the line it is too modest, below it too bold."
        ),
    ),
    "ablation": (
        "What it needs",
        "The model with one kind of evidence alone, and with all but that one.",
    ),
    "curves": (
        "How training went",
        (
            "Thick: the mean of the models, while at least half were still being trained."
            " Thin: each of them, where there is more than one."
        ),
    ),
}


def write_training_report(folder: Path, metrics: Metrics) -> dict[str, str]:
    """Write a model's card, page and pictures into its folder.

    A picture that fails costs only itself: the page says why it is missing.

    Args:
        folder: the model's; made if it is not there.
        metrics: the content of metrics.json. Any part may be absent. `name`, if present, is the
            model's name; otherwise the folder's is.

    Returns:
        Format -> name of the file written for it, relative to `folder`.

    Raises:
        OutputError: the disk is full or read-only.
    """
    pictures, trouble = _pictures(metrics)
    outputs: dict[str, str] = {}
    for name in plots.PLOTS:
        file = f"plots/{name}.png"
        if name in pictures:
            write_bytes(folder / file, pictures[name][0])
            outputs[name] = file
        else:
            remove(folder / file)
    name = one_line(str(metrics.get("name") or folder.absolute().name)) or "model"
    values = card_values(metrics, name)
    values["pictures"] = _shown(pictures, values["split"])
    values["trouble"] = trouble
    write_text(folder / "README.md", render_markdown("model.md.j2", **values))
    page = render("model.html.j2", styles=("style.css", "model.css"), script="model.js", **values)
    write_text(folder / "report.html", page)
    return {"card": "README.md", "html": "report.html", **outputs}


def _pictures(metrics: Metrics) -> tuple[dict[str, tuple[bytes, bytes]], list[str]]:
    """Name -> PNG for light and for dark pages; and what to say of those that are missing."""
    if not plots.installed():
        return {}, ['Pictures need matplotlib: pip install "triptych[plots]", then evaluate again.']
    drawn: dict[str, tuple[bytes, bytes]] = {}
    trouble = []
    for name in plots.PLOTS:
        try:
            light, dark = (plots.plot_png(name, metrics, dark=dark) for dark in (False, True))
        except MemoryError:
            raise
        except Exception as err:
            if isinstance(err, OutputError) or is_disk_trouble(err):
                raise
            log.warning("%s was not drawn: %s: %s", name, type(err).__name__, err)
            log.debug("why %s was not drawn", name, exc_info=err)
            trouble.append(f"{name} was not drawn: {type(err).__name__}: {one_line(str(err))}")
        else:
            if light is not None and dark is not None:
                drawn[name] = (light, dark)
    return drawn, trouble


def _shown(pictures: Mapping[str, tuple[bytes, bytes]], split: str) -> list[dict[str, Any]]:
    """The pictures with their captions; the page shows them two in a row where they fit."""
    found = []
    for name, (light, dark) in pictures.items():
        title, caption = _CAPTIONS[name]
        # A PNG says its size in bytes 16 to 24. It has twice as many pixels as the page needs.
        width, height = (int.from_bytes(light[a : a + 4], "big") // 2 for a in (16, 20))
        found.append(
            {
                "name": name,
                "file": f"plots/{name}.png",
                "title": title,
                "caption": caption.format(split=split),
                "light": "data:image/png;base64," + base64.b64encode(light).decode("ascii"),
                "dark": "data:image/png;base64," + base64.b64encode(dark).decode("ascii"),
                "width": width,
                "height": height,
                "wide": width > _HALF_PX,
            }
        )
    narrow = [picture for picture in found if not picture["wide"]]
    if len(narrow) % 2:
        narrow[-1]["wide"] = True
    return found
