"""Small ways of writing times, names and links; standard library only."""

from __future__ import annotations

import os
import re
import unicodedata
from urllib.parse import quote

__all__ = [
    "clean",
    "clock",
    "duration_text",
    "has_cjk",
    "href",
    "one_line",
    "percent",
    "score_text",
]

# Overrides and isolates can make text read as something else than it says; marks may stay.
_HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff]")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff]")


def clock(seconds: float) -> str:
    """A time as people read it; hours only where there are some.

    >>> clock(65.4), clock(3661), clock(-0.2)
    ('1:05', '1:01:01', '0:00')
    """
    whole = max(0, int(seconds + 1e-6))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def duration_text(seconds: float) -> str:
    """A length as people read it; with tenths where it is below ten seconds.

    >>> duration_text(4.27), duration_text(65.4)
    ('0:04.2', '1:05')
    """
    return f"0:{int(seconds * 10 + 1e-6) / 10:04.1f}" if 0 <= seconds < 10 else clock(seconds)


def percent(share: float) -> str:
    """A share as a whole percentage.

    >>> percent(0.414), percent(0.004)
    ('41%', '<1%')
    """
    return "<1%" if 0 < share < 0.005 else f"{share * 100:.0f}%"


def score_text(score: float, kind: str) -> str:
    """A label's score as people read it: a percentage, or the value of a regression.

    >>> score_text(0.414, "shares"), score_text(3.14159, "value")
    ('41%', '3.142')
    """
    return f"{score:.4g}" if kind == "value" else percent(score)


def clean(text: str) -> str:
    """Text without control characters, direction overrides and lone surrogates.

    >>> clean("a\\x00b\\u202ec")
    'abc'
    """
    text = _HIDDEN.sub("", text).replace("\t", " ")
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) != "Cc")


def one_line(text: str) -> str:
    """Clean text on one line, runs of blanks as one.

    >>> one_line(" two\\r\\n lines ")
    'two lines'
    """
    return clean(" ".join(text.split()))


def has_cjk(text: str) -> bool:
    """Whether any character is Chinese, Japanese or Korean."""
    return bool(_CJK.search(text))


def href(path: str) -> str:
    """A relative path as a link: percent-encoded, undecodable bytes kept.

    >>> href("猫/a b#1.mp4")
    '%E7%8C%AB/a%20b%231.mp4'
    >>> href("javascript:alert(1)")
    './javascript%3Aalert%281%29'
    """
    path = path.replace(os.sep, "/")
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character that is no byte either: a Windows name
        raw = path.encode("utf-8", "replace")
    link = quote(raw, safe="/-_.~")
    # A colon in the first part would read as a scheme, were it ever left unquoted.
    return f"./{link}" if "%3A" in link.partition("/")[0] else link
