"""The project's pages, as the tests of documents read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<kind>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `why` says why it is not run, where it is not."""

    page: str
    number: int
    kind: str
    code: str
    why: str


def pages() -> list[str]:
    """All pages that are written by hand."""
    named = [
        ENGLISH,
        CHINESE,
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "demo/README.md",
        "models/README.md",
        "pipeline/README.md",
    ]
    return named + sorted(str(p.relative_to(REPOSITORY)) for p in REPOSITORY.glob("docs/*.md"))


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page.

    A comment `<!-- not run: reason -->` on the line before one says that it cannot be run.
    """
    return [
        Block(page, i, m["kind"], m["code"], m["why"] or "")
        for i, m in enumerate(_BLOCK.finditer(text_of(page)), 1)
    ]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return _BLOCK.sub("", text_of(page))


def code_in(page: str) -> str:
    """All code of a page: what is fenced, and what stands between backticks."""
    return "\n".join([*(b.code for b in blocks(page)), *re.findall(r"`([^`\n]+)`", prose(page))])


def links(page: str) -> Iterator[str]:
    """What a page links to or shows, as written."""
    yield from re.findall(r"\]\(([^()\s]+)\)", prose(page))
    yield from re.findall(r"(?:src|href)=\"([^\"]+)\"", prose(page))


def anchors(path: Path) -> set[str]:
    """The names by which GitHub knows a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}
