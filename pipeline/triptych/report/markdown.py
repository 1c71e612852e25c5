"""summary.md: labels, key moments and words of one video, for reading.

Subtitles and file names are untrusted: they are shown as they read, never as markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from triptych.records import Analysis
from triptych.report.chapters import titled
from triptych.report.text import clock, duration_text, one_line, score_text
from triptych.report.words import Words, chosen_text, generated_text, parts_text, words_for

__all__ = ["escape", "summary_text"]

# An underscore within a word is harmless, and file names are full of them.
_SPECIAL = re.compile(r"([\\`*\[\]~|#$]|(?<![^\W_])_|_(?![^\W_]))")
_LINE_START = re.compile(r"^(\d{1,9})([.)])|^([-+=:])")
_EXCERPT = 40  # cues; all of them stand in transcript.vtt
_BAR = 20


def escape(text: str) -> str:
    """Text for one line of Markdown, every mark of its syntax made harmless.

    >>> escape("<b>`x` | y</b>\\n# z")
    '&lt;b&gt;\\\\`x\\\\` \\\\| y&lt;/b&gt; \\\\# z'
    """
    text = _SPECIAL.sub(r"\\\1", one_line(text).replace("&", "&amp;"))
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    return _LINE_START.sub(lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}", text)


def summary_text(analysis: Analysis, *, name: str, warnings: Sequence[str]) -> str:
    """The content of summary.md.

    Args:
        analysis: what was found.
        name: the file's name, the title.
        warnings: what should be known about this result.
    """
    words = words_for(analysis.summary.language)
    blocks = [
        f"# {escape(name)}",
        _facts(analysis, words),
        *_paragraph(words.summary, analysis.summary.text),
        *_generated(analysis, words),
        *_labels(analysis, words),
        *_chapters(analysis, words),
        *_moments(analysis, words),
        *_transcript(analysis, words),
        *_bullets(words.warnings, [escape(w) for w in warnings]),
    ]
    return "\n\n".join(blocks) + "\n"


def _facts(analysis: Analysis, words: Words) -> str:
    info = analysis.info
    facts = [f"{words.duration} {duration_text(analysis.duration_s)}"]
    if info.width:
        facts.append(f"{info.width}x{info.height}")
    facts += [codec for codec in (info.video, info.audio) if codec]
    return " · ".join(escape(fact) for fact in facts)


def _paragraph(title: str, text: str) -> list[str]:
    return [f"## {title}", escape(text)] if text.strip() else []


def _generated(analysis: Analysis, words: Words) -> list[str]:
    """What a language model wrote, marked as such, each sentence with the times it rests on."""
    retold, start_s = analysis.summary.retold, analysis.info.start_s
    if retold is None or not retold.claims:
        return []
    items = []
    for claim in retold.claims:
        times = ", ".join(clock(ground.start_s - start_s) for ground in claim.grounds)
        items.append(f"{escape(claim.text)} ({times})")
    return [f"*{escape(generated_text(retold, words))}*", "\n".join(f"> - {i}" for i in items)]


def _bullets(title: str, items: Sequence[str]) -> list[str]:
    return [f"## {title}", "\n".join(f"- {item}" for item in items)] if items else []


def _labels(analysis: Analysis, words: Words) -> list[str]:
    ranked = analysis.prediction.ranked[:5]
    if not ranked:
        return []
    kind = analysis.prediction.kind
    titles = {"shares": words.share, "independent": words.probability, "value": words.value}
    rows = [f"| {words.label} | | {titles[kind]} |", "| --- | --- | ---: |"]
    for label in ranked:
        full = round(max(0.0, min(1.0, label.score)) * _BAR)
        bar = "█" * full + "░" * (_BAR - full) if kind != "value" else ""
        score = escape(score_text(label.score, kind))
        rows.append(f"| {escape(label.label)} | {bar} | {score} |")
    return [f"## {words.labels}", "\n".join(rows)]


def _chapters(analysis: Analysis, words: Words) -> list[str]:
    if len(analysis.summary.chapters) < 2:  # one chapter is the film
        return []
    items = [f"**{clock(begin)}** {escape(title)}" for begin, _, title in titled(analysis)]
    return _bullets(words.chapters, items)


def _moments(analysis: Analysis, words: Words) -> list[str]:
    start_s = analysis.info.start_s
    items = []
    for segment in analysis.summary.segments:
        times = f"{clock(segment.start_s - start_s)} - {clock(segment.end_s - start_s)}"
        texts = (segment.label, segment.words, parts_text(segment.parts, words))
        said = [escape(text) for text in texts if text.strip()]
        items.append(" · ".join([f"**{times}**", *said]))
    if not items:
        return []
    return [
        *_bullets(words.key_moments, items),
        f"*{escape(chosen_text(analysis.prediction, words))}*",
    ]


def _transcript(analysis: Analysis, words: Words) -> list[str]:
    cues = [cue for cue in analysis.cues if cue.text.strip()]
    start_s = analysis.info.start_s
    items = [f"**{clock(c.start_s - start_s)}** {escape(c.text)}" for c in cues[:_EXCERPT]]
    if left := len(cues) - _EXCERPT:
        items += [words.more_cues.format(left)] if left > 0 else []
    return _bullets(words.transcript, items)
