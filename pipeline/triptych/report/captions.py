"""transcript.vtt: the words for any player, on the player's clock, which starts at zero."""

from __future__ import annotations

import re
from collections.abc import Iterable

from triptych.records import Cue
from triptych.report.text import clean

__all__ = ["caption_text", "vtt_text"]

_LEAST_S = 0.001  # WebVTT wants every cue to end after it starts


def vtt_text(cues: Iterable[Cue], start_s: float, *, named: bool = False) -> str:
    """Cues as WebVTT, or an empty text when none of them has words.

    Args:
        cues: on the container's clock.
        start_s: the container's start, which players call zero.
        named: give each cue a name that says where it is from: `3 sidecar zh-Hans`.
    """
    blocks: list[str] = []
    for cue in cues:
        text = caption_text(cue.text)
        begin, end = max(0.0, cue.start_s - start_s), cue.end_s - start_s
        if text and end >= 0:
            end = max(end, begin + _LEAST_S)
            name = f"{len(blocks) + 1}" + (f" {cue.source} {cue.language}" if named else "")
            blocks.append(f"{name}\n{_time(begin)} --> {_time(end)}\n{text}\n")
    return "\n".join(["WEBVTT\n", *blocks]) if blocks else ""


def caption_text(text: str) -> str:
    """A cue's words as WebVTT shows them: no markup, no blank line that would end the cue.

    >>> caption_text("<b>a</b>\\n\\n --> b & c")
    '&lt;b&gt;a&lt;/b&gt;\\n--&gt; b &amp; c'
    """
    lines = (line.strip() for line in re.split(r"\r\n?|\n", text))
    whole = clean("\n".join(line for line in lines if line))
    kept = "\n".join(line.strip() for line in whole.split("\n") if line.strip())
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float) -> str:
    """Hours, minutes, seconds and thousandths, as WebVTT writes them.

    >>> _time(3661.0005)
    '01:01:01.000'
    """
    thousandths = round(seconds * 1000)
    whole, part = divmod(thousandths, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{part:03}"
