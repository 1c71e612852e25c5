"""Whatever a subtitle or a file name holds, no report is broken by it."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analysis_factory import NASTY
from triptych.records import Cue
from triptych.report.analysis import analysis_text
from triptych.report.captions import vtt_text
from triptych.report.gallery import gallery_html
from triptych.report.markdown import escape
from triptych.report.run import predictions_text, run_text
from triptych.report.templating import json_script
from triptych.report.text import clean, clock, href, one_line

anything = st.text(st.characters(exclude_categories=()), max_size=60) | st.text(
    "<>&\"'`|\\-_*[]()#!=+:;/ \n\r\t\u2028\u202ea1猫", max_size=40
)


@given(anything)
@example(NASTY)
@example("<!--<script>")
def test_data_stays_inside_its_script(text: str) -> None:
    script = str(json_script({"text": text}))
    assert not re.search(r"[<>&\u2028\u2029]", script)
    assert json.loads(script) == {"text": text}


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 100), anything), max_size=5))
@example([(0.0, 1.0, "a\n\n1\n00:00.000 --> 00:09.000\nb")])
def test_captions_have_one_block_a_cue(items: list[tuple[float, float, str]]) -> None:
    cues = [Cue(start_s=a, end_s=a + b, text=text, source="x") for a, b, text in items]
    text = vtt_text(cues, 0.0)
    text.encode("utf-8")
    kept = [cue for cue in cues if clean(cue.text.replace("\r", "\n")).strip()]
    assert text.count(" --> ") == len(kept)
    blocks = text.strip("\n").split("\n\n")
    assert len(blocks) == (len(kept) + 1 if kept else 1)
    for block in blocks[1:]:
        number, times, *lines = block.split("\n")
        assert number.isdecimal()
        begin, end = times.split(" --> ")
        assert begin < end or len(begin) != len(end)
        assert lines
        assert all(lines)
        assert not any(c in line for line in lines for c in "<>\0\r")


@given(anything)
@example("1. a")
@example("- a")
@example("<a href=x>")
@example("http://x [a]: b")
def test_markdown_is_one_paragraph_of_plain_text(text: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(f"{escape(text)}\n")
    plain = re.sub(r"</?p>\n?", "", html)
    assert "<" not in plain
    assert "\n" not in plain


@given(anything)
def test_a_table_cell_stays_one_cell(text: str) -> None:
    table = f"| a | b |\n| --- | --- |\n| {escape(text)} | z |\n"
    html = MarkdownIt("commonmark").enable("table").render(table)
    assert html.count("<td>") == 2
    assert html.endswith("<td>z</td>\n</tr>\n</tbody>\n</table>\n")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def _tags(text: str) -> _Tags:
    rows = [
        {
            "path": text or "x",
            "folder": text or "x",
            "state": "done",
            "labels": [[text, 0.5]],
            "outputs": {"html": "report.html", "poster": "poster.jpg"},
            "text": f"a{text}",
            "warnings": [text],
        },
        {"path": text, "state": "failed", "stage": "s", "error": f"e{text}", "remedy": f"r{text}"},
    ]
    parser = _Tags()
    parser.feed(gallery_html(rows, totals={}))
    return parser


@given(anything)
@example(NASTY)
@example('" onmouseover="alert(1)')
def test_the_gallery_has_the_same_tags_whatever_is_shown(text: str) -> None:
    wanted = [tag for tag in _tags("plain").tags if tag[0] not in ("wbr", "p")]
    page = _tags(text)
    assert [tag for tag in page.tags if tag[0] not in ("wbr", "p")] == wanted
    assert all(re.fullmatch(r"[\w./%~-]+", link, re.ASCII) for link in page.links)


@given(anything, st.floats(0, 1))
def test_the_table_is_faithful(text: str, score: float) -> None:
    path = text.replace("\0", "") or "x"
    table = predictions_text([{"path": path, "state": "done", "labels": [["x", score]]}])
    rows = list(csv.reader(io.StringIO(table, newline="")))
    assert len(rows) == 2
    assert rows[1][0] in (path, f"./{path}")
    assert not rows[1][0].startswith(("=", "+", "-", "@"))


@given(anything)
def test_logs_are_faithful(text: str) -> None:
    log = run_text([{"path": text, "state": "done"}])
    assert log.count("\n") == 1
    raw = log.encode("utf-8", "backslashreplace").decode("utf-8")
    assert json.loads(raw)["path"] == json.loads(log)["path"] == text
    data = analysis_text({"cue": {"text": text}}).encode("utf-8", "backslashreplace")
    assert json.loads(data) == {"cue": {"text": text}}


@given(anything)
def test_lines_are_lines_and_links_are_ascii(text: str) -> None:
    assert "\n" not in one_line(text)
    one_line(text).encode("utf-8")
    link = href(text)
    assert re.fullmatch(r"[\w./%~-]*", link, re.ASCII)
    assert ":" not in link


@given(st.floats(-10, 1e6))
def test_clocks_read_as_clocks(seconds: float) -> None:
    assert re.fullmatch(r"(\d+:[0-5]\d|\d+):[0-5]\d", clock(seconds))
