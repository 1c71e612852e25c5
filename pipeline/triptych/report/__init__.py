"""ANSWERS -> FILES: what a person opens after a run.

`write_report` writes one video's files into its own folder:

| file | format name | what it is |
| --- | --- | --- |
| `analysis.json` | `json`, always | everything, for programs; written last: its presence says "finished" |
| `summary.md` | `md` | labels, key moments and the words, for reading and for notes |
| `storyboard.jpg` | `storyboard` | a contact sheet of 12 frames, of long films up to 32 |
| `highlights.mp4` | `reel` | the key moments, cut and joined with their sound, chapters inside |
| `transcript.vtt` | `vtt` | the words, for any player |
| `chapters.vtt` | `chapters` | the chapters, for any player |
| `report.html` | `html` | one page with player, timeline and transcript; needs no network |
| `poster.jpg` | (always) | a small picture for the gallery |
| `preview.webp` | `preview` | five seconds of the best moments that move; shown by the gallery |
| `chapters.ffmetadata` | `ffmetadata` | the chapters, for `ffmpeg -map_metadata` |
| `highlights.edl` | `edl` | the key moments as cuts of the film itself (CMX 3600) |
| `highlights.otio` | `otio` | the same for OpenTimelineIO (the extra `edit`) |

The last four are written when `report.formats` names them.

`write_run` writes what belongs to the whole run: `predictions.csv`, `run.jsonl`,
`summary.json` and the gallery `index.html`, which groups videos that look alike.

Every file appears whole or not at all. A file that a video has no content for (a storyboard
of a song) is not written. Text that comes from the input (subtitles, file names) is escaped
wherever it is shown. The keys of `analysis.json` are listed in `docs/schema.md`.

Importing this package is cheap; numpy, Pillow, PyAV and Jinja load when they are needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.report.run import write_run
    from triptych.report.write import write_report

__all__ = ["write_report", "write_run"]

_HOMES = {"write_report": "triptych.report.write", "write_run": "triptych.report.run"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
