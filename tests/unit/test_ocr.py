"""Burned-in captions are read, and used where a video has no subtitles."""

from __future__ import annotations

import functools
import socket
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import synth
from triptych.config import Config, load_config
from triptych.decode import open_media
from triptych.errors import WeightsError
from triptych.extract import ocr, weights
from triptych.extract.drive import pump
from triptych.extract.ocr import CaptionReader
from triptych.features import FeatureStore
from triptych.features.collect import collect
from triptych.features.words import next_source, word_sources
from triptych.records import Cue, Stills
from triptych.report.fonts import draw_text, text_width

pytestmark = pytest.mark.needs("ocr", "cjk")

SIZE = (640, 360)
SAID = (
    (0.0, 1.5, "今天的天气非常好"),
    (1.5, 3.0, "我们一起去公园散步吧"),
    (3.5, 5.0, "Where did you put the keys?"),
    (5.0, 6.5, "They are on the kitchen table."),
)
LENGTH_S = 7.0

# The lower third of a talk, as it is read by eye; the signs between lines are left out.
TALK = "datajuicer_video3_50s_portrait.mp4"
TALK_SAYS = """
来！告诉我吊顶有什么用？ 一功能性遮挡设备便于安装管道 二：装饰性 协调一个空间比例塑造一个房间风格
做吊顶之后 多少层档才不会显得压抑呢？ 在低于2米4的情况下 经常活动的区域会有种压抑感 评论区的
你知道您的房子需要安装吊顶吗？ 我家里不想吊顶 但是屋内外面有很多的管道怎么办呢？
嗯如果您不介意把管道裸露在外面 可以做一些简单的处理呀 吊顶有什么类型呢？ 一：石膏板吊顶二：集成吊顶
如果有相关疑问的话 可以在评论区@我哦～ 那不吊顶的天花板该怎么设计呢？ 嗯 第一：利用灯具的一个优化
第二：石膏线隐藏管道 来关注我带你装新家
"""


def said_at(time_s: float) -> str:
    return next((text for a, b, text in SAID if a <= time_s < b), "")


@functools.cache
def ground() -> np.ndarray:
    grey = synth.speckled((SIZE[0] + 400, SIZE[1]), grain=0.02)
    return np.stack([grey, grey // 2 + 40, 200 - grey // 2], axis=2).astype(np.uint8)


def captioned(text: str, push: int) -> np.ndarray:
    """White letters with a dark rim, over a ground that was pushed aside."""
    picture = Image.fromarray(np.ascontiguousarray(ground()[:, push : push + SIZE[0]]))
    draw = ImageDraw.Draw(picture)
    left, top = (SIZE[0] - text_width(text, 28)) / 2, 300
    for across, down in ((-2, 0), (2, 0), (0, -2), (0, 2), (-1, -1), (1, 1), (-1, 1), (1, -1)):
        draw_text(draw, (left + across, top + down), text, size=28, fill=(0, 0, 0))
    draw_text(draw, (left, top), text, size=28, fill=(255, 255, 255))
    return np.asarray(picture)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    times = synth.steady(LENGTH_S, 8)
    return synth.write(
        tmp_path_factory.mktemp("burned") / "字幕.mkv",
        times=times,
        picture=lambda n: captioned(said_at(n / 8), 3 * n),
        codec="libx264",
        pixels="yuv420p",
        fps=8,
        wave=synth.noise(LENGTH_S, level=0.01),
    )


def read(path: Path, part: ocr.Ocr = "strip") -> tuple[Cue, ...]:
    with open_media(path) as media:
        return pump(media, {"ocr": CaptionReader(part)})["ocr"]


def letters(text: str) -> str:
    return "".join(ch for ch in unicodedata.normalize("NFKC", text) if not ch.isspace())


def edits(one: str, other: str) -> int:
    """Characters to change, add or leave out."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def test_captions_over_a_moving_ground_are_read_with_their_times(film: Path) -> None:
    cues = read(film)
    assert [letters(c.text) for c in cues] == [letters(text) for _, _, text in SAID]
    for cue, (start_s, end_s, _) in zip(cues, SAID, strict=True):
        assert cue.start_s == pytest.approx(start_s, abs=0.26)
        assert cue.end_s == pytest.approx(end_s, abs=0.26)
        assert cue.source == "ocr"


def test_all_of_the_picture_holds_what_its_foot_holds(film: Path) -> None:
    said = [letters(c.text) for c in read(film, "full")]
    assert all(letters(text) in said for _, _, text in SAID)


def stills(pictures: Sequence[np.ndarray]) -> Stills:
    return Stills(rgb=np.stack(pictures), pts_s=np.arange(len(pictures)) / 4)


def test_what_does_not_change_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    boxes, line = ocr._Eye._boxes, ocr._Eye._line
    monkeypatch.setattr(ocr._Eye, "_boxes", lambda *a: (looks.append("looked"), boxes(*a))[1])
    monkeypatch.setattr(ocr._Eye, "_line", lambda *a: (looks.append("read"), line(*a))[1])
    eye = ocr._Eye(ocr._engine())
    still, moved = captioned("今天的天气非常好", 0), captioned("今天的天气非常好", 3)
    other = captioned("今天的天气非常坏", 3)
    texts = [[found.text for found in eye.read(p[240:])] for p in (still, still, moved, other)]
    assert texts == [["今天的天气非常好"]] * 3 + [["今天的天气非常坏"]]
    assert looks.count("looked") == 3  # not where the picture is the same
    assert 2 <= looks.count("read") <= 3  # and a line that is the same may be read again, or not


def test_batches_do_not_matter() -> None:
    shown = [captioned(said_at(n / 4), 6 * n) for n in range(10)]

    def cues_of(size: int) -> tuple[Cue, ...]:
        coroutine = CaptionReader()()
        next(coroutine)
        whole = stills(shown)
        for at in range(0, len(shown), size):
            part = slice(at, at + size)
            coroutine.send(Stills(rgb=whole.rgb[part], pts_s=whole.pts_s[part]))
        with pytest.raises(StopIteration) as done:
            coroutine.send(None)
        return done.value.value["ocr"]

    assert cues_of(1) == cues_of(3) == cues_of(10)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (600, 20), (20, 600)])
def test_pictures_of_any_shape_are_taken(size: tuple[int, int]) -> None:
    coroutine = CaptionReader("full")()
    next(coroutine)
    coroutine.send(stills([synth.textured(n, size) for n in range(3)]))
    with pytest.raises(StopIteration):
        coroutine.send(None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))  # what is not asked about is kept


class TestInTheFlow:
    """The words of a video come from the first source that has any."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> Callable[[str], Config]:
        """Nothing but cuts and captions."""
        preset = tmp_path / "cuts.toml"
        preset.write_text('what = "cuts"\nextractors = ["shots"]\n')

        def asked(part: str) -> Config:
            given = (f"extract.ocr={part}", "extract.asr=never", f"extract.preset={preset}")
            return load_config(assignments=given)

        return asked

    def test_the_second_time_they_come_from_the_store(
        self, film: Path, config: Callable[[str], Config], store: FeatureStore
    ) -> None:
        first = collect(film, config=config("strip"), store=store)
        again = collect(film, config=config("strip"), store=store)
        assert len(first.cues) == len(SAID) and again.cues == first.cues
        assert again.job.frames_decoded == 0 and "ocr" in again.job.cached
        assert first.job.entries["ocr"] == again.job.entries["ocr"]

    def test_the_part_of_the_picture_is_in_the_key(
        self, film: Path, config: Callable[[str], Config], store: FeatureStore
    ) -> None:
        keys = set()
        for part in ("strip", "full"):
            keys.add(collect(film, config=config(part), store=store).job.entries["ocr"])
        assert len(keys) == 2

    def test_off_by_default(
        self, film: Path, config: Callable[[str], Config], store: FeatureStore
    ) -> None:
        assert Config().extract.ocr == "never"
        found = collect(film, config=config("never"), store=store)
        assert found.cues == () and "ocr" not in found.job.entries

    def test_subtitles_beside_the_film_come_first(
        self, film: Path, config: Callable[[str], Config], store: FeatureStore, tmp_path: Path
    ) -> None:
        beside = tmp_path / film.name
        beside.symlink_to(film)
        beside.with_suffix(".srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nbeside\n")
        found = collect(beside, config=config("strip"), store=store)
        assert [(c.text, c.source) for c in found.cues] == [("beside", "sidecar")]
        assert "ocr" not in found.watch


def test_the_order_in_which_sources_are_asked() -> None:
    def order(subtitled: bool = False, **settings: str) -> tuple[str, ...]:
        given = tuple(f"extract.{name}={value}" for name, value in settings.items())
        sources = word_sources(load_config(assignments=given).extract, subtitled=subtitled)
        return tuple(s for s in sources if s != "asr" or settings.get("asr") != "never")

    assert order(asr="never") == ("cues",)
    assert order(ocr="strip", asr="never") == ("cues", "ocr")
    assert order(ocr="strip", asr="never", subtitled=True) == ("cues",)
    sources = ("cues", "ocr", "asr")
    assert next_source(sources, {}) == "cues"
    assert next_source(sources, {"cues": ()}) == "ocr"
    assert next_source(sources, {"cues": (), "ocr": ()}) == "asr"
    assert next_source(sources, {"cues": (), "ocr": ("word",)}) is None
    assert next_source(sources, {"cues": (), "ocr": (), "asr": ()}) is None


def test_nothing_is_looked_for_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    engine = ocr._engine.__wrapped__()
    assert engine(captioned("今天的天气非常好", 0)[240:]).txts == ("今天的天气非常好",)


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"another model")
    monkeypatch.setattr(weights, "find_weights", lambda _: (tmp_path / "other.onnx",))
    with pytest.raises(WeightsError, match="not the pinned ones"):
        ocr._engine.__wrapped__()


@pytest.mark.needs("shared")
def test_a_chinese_talk_is_read_almost_without_an_error(shared_data: Path) -> None:
    with open_media(shared_data / "long_video" / TALK) as media:
        cues = pump(media, {"ocr": CaptionReader()}, start_s=1.6, end_s=12.1)["ocr"]
    truth = letters(TALK_SAYS)
    truth = truth[: truth.index("多少层档")]
    said = letters("".join(c.text for c in cues))
    assert edits(said, truth) <= 0.03 * len(truth)
    assert {c.language for c in cues} == {"zh"}
