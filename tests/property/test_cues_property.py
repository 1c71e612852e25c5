"""Laws of subtitle reading: it never fails, and what it gives is in order."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from triptych.decode.cues import SidecarCues, merge_cues, plain_text, read_sidecar
from triptych.decode.encodings import decode_text
from triptych.decode.sidecar import find_sidecars, language_of
from triptych.decode.subtitles import parse_subtitles
from triptych.records import Cue

ENDINGS = st.sampled_from([".srt", ".vtt", ".ass", ".ssa", ".ttml", ".sbv", ".txt"])
WORDS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="<>{}&\\-\ufffc"))

# What real files are made of, so that random ones come near them.
PIECES = st.sampled_from(
    [
        *("WEBVTT", "NOTE x", "STYLE", "\n", "\n\n", "\r\n", "1", "42", "-->", "<i>", "</c>", "{"),
        *("00:00:01,000 --> 00:00:02,000", "0:0:3.5 --> 0:0:1", "00:xx --> 00:01", "hello", "你好"),
        *(
            "[Script Info]",
            "[Events]",
            "Format: Start, End, Text",
            "Dialogue: 0:00:01.00,0:00:02.0,a",
        ),
        *(
            "Dialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,{\\p1}m 0{\\p0}b\\N",
            "&amp;",
            "\ufeff",
            "\0",
        ),
        *("<?xml version='1.0'?>", '<tt ttp:frameRate="25">', "<body>", "</body></tt>", "</p>"),
        *("<div begin='1s'>", '<p begin="00:00:01:12" dur="5t">', "<p>", "<br/>", "</span>"),
        *("<span begin='2s' end='x'>", "<![CDATA[", "]]>", "0:00:01.5,0:00:02", "0:0x,0:01"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=5)).map("".join)
CUES = st.lists(
    st.builds(
        lambda start, length, text: Cue(
            start_s=start, end_s=start + length, text=text, source="sidecar"
        ),
        st.integers(-50, 50).map(float),
        st.integers(0, 20).map(float),
        st.sampled_from("abc"),
    )
)


def check(got: SidecarCues) -> None:
    starts = [cue.start_s for cue in got.cues]
    assert starts == sorted(starts)
    assert got.dropped >= 0
    for cue in got.cues:
        assert cue.text and cue.text == " ".join(cue.text.split())
        assert cue.end_s > cue.start_s


def read(tmp_path_factory: object, data: bytes, ending: str) -> SidecarCues:
    path: Path = tmp_path_factory.getbasetemp() / f"property{ending}"  # type: ignore[attr-defined]
    path.write_bytes(data)
    return read_sidecar(path)


@given(data=st.binary(), ending=ENDINGS)
@example(data=b"\xff\xfe\x00", ending=".srt")
@example(data=b"\xff\xfe\x00\xd8", ending=".vtt")
def test_any_bytes_can_be_read(tmp_path_factory, data: bytes, ending: str) -> None:
    check(read(tmp_path_factory, data, ending))


@given(text=TEXTS, ending=ENDINGS)
def test_near_subtitles_can_be_read(tmp_path_factory, text: str, ending: str) -> None:
    check(read(tmp_path_factory, text.encode("utf-8", "replace"), ending))


@given(data=st.data())
def test_mutated_files_can_be_read(tmp_path_factory, data: st.DataObject) -> None:
    sources = [
        "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Hé</i>\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nb",
        "WEBVTT\n\nNOTE a\n\nid\n00:01.000 --> 00:02.000 align:start\n<v Ann>你好\n\n00:03.000 --> 00:04.000\nb",
        "[Events]\nFormat: Layer, Start, End, Text\nDialogue: 0,0:00:01.00,0:00:02.00,{\\an8}a\\Nb\n",
        '<tt xmlns="http://www.w3.org/ns/ttml"><body><p begin="1s" end="2.5s">你<br/>b</p></body></tt>',
        "0:00:01.000,0:00:02.000\na\n\n0:00:03.000,0:00:04.000\n你好\n",
    ]
    encoding = data.draw(st.sampled_from(["utf-8", "utf-16", "gb18030", "utf-32-be"]))
    raw = bytearray(data.draw(st.sampled_from(sources)).encode(encoding))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        raw[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=4))
    check(read(tmp_path_factory, bytes(raw), data.draw(ENDINGS)))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**7), st.integers(1, 10**4), WORDS.filter(lambda w: not w.isdecimal())
        ),
        unique_by=lambda row: row[0],
    ),
    st.sampled_from(["srt", "vtt"]),
)
def test_written_cues_come_back(rows: list[tuple[int, int, str]], ending: str) -> None:
    def clock(ms: int) -> str:
        mark = "," if ending == "srt" else "."
        return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}{mark}{ms % 1000:03}"

    rows = [row for row in rows if row[2] and not row[2].startswith(("NOTE", "STYLE", "REGION"))]
    blocks = [f"{i}\n{clock(s)} --> {clock(s + n)}\n{w}\n" for i, (s, n, w) in enumerate(rows, 1)]
    text = "\n".join(["WEBVTT\n"] * (ending == "vtt") + blocks)
    events, dropped = parse_subtitles(text, f".{ending}")
    assert [(e.start_s, e.end_s, e.lines) for e in events] == [
        (s / 1000, (s + n) / 1000, (w,)) for s, n, w in rows
    ]
    assert dropped == 0


@given(st.text())
def test_plain_text_is_folded(raw: str) -> None:
    text = plain_text(raw)
    assert text == " ".join(text.split())


@given(st.text())
def test_utf8_is_never_mistaken(text: str) -> None:
    if "\0" not in text and not text.startswith("\ufeff"):
        assert decode_text(text.encode("utf-8", "replace"))[0] == text.encode(
            "utf-8", "replace"
        ).decode("utf-8")


@given(CUES)
def test_merging_keeps_what_is_shown_when(cues: list[Cue]) -> None:
    merged = merge_cues(cues)
    assert merge_cues(merged) == merged == merge_cues(cues[::-1])
    assert {cue.text for cue in merged} == {cue.text for cue in cues}
    for moment in range(-50, 70):  # whole seconds: none falls into a gap that was closed
        shown = {c.text for c in cues if c.start_s <= moment < c.end_s}
        assert shown == {c.text for c in merged if c.start_s <= moment < c.end_s}


@given(st.text(), st.lists(st.text()))
def test_sidecars_share_the_stem(stem: str, names: list[str]) -> None:
    if stem.strip(".") and not set(stem) & set("/\0\\"):
        media = Path(f"{stem}.mp4")
        names = [n for n in names if not set(n) & set("/\0\\")]
        wanted = [f"{stem}.srt", f"{stem}.zh.srt"]
        got = find_sidecars(media, [*names, *wanted])
        assert {path.name for path in got} >= set(wanted)
        assert all(path.name in {*names, *wanted} for path in got)
        assert language_of(media.with_name(wanted[1]), media) == "zh"
