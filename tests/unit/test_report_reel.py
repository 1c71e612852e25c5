"""The reel shows and sounds what the key moments hold, at the right times."""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from analysis_factory import COLORS, TONES_HZ, make_analysis, tone_clip
from claps import clap
from hdr_films import BT709, HLG, PQ, film, patches
from triptych.decode.media import open_media
from triptych.records import Chapter, Frames, Segment
from triptych.report.cut import RATE_HZ, StretchReader, sound
from triptych.report.joins import Hear, joined
from triptych.report.mixer import reel_size
from triptych.report.reel import reel_key, stretches, write_reel


def cut(
    media: Path,
    moments: list[tuple[float, float]],
    out: Path,
    chapters: tuple[Chapter, ...] = (),
) -> Path:
    """Write the reel of some moments of a clip."""
    with open_media(media) as opened:
        info = opened.info
    segments = tuple(Segment(start_s=a, end_s=b, score=1.0, label="猫") for a, b in moments)
    analysis = make_analysis(segments=segments)
    summary = dataclasses.replace(analysis.summary, chapters=chapters)
    write_reel(out, media, dataclasses.replace(analysis, info=info, summary=summary))
    return out


def marks(reel: Path) -> list[tuple[float, float, str]]:
    """(start, end, title) of the chapters that a player finds."""
    with av.open(str(reel)) as container:
        return [
            (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), title)
            for c in container.chapters()
            if c["time_base"] is not None and (title := c["metadata"]["title"])
        ]


def seen(reel: Path) -> tuple[list[tuple[float, Any]], float]:
    """(time, colour of the middle) of every frame, and the length of the picture track."""
    with av.open(str(reel)) as container:
        stream = container.streams.video[0]
        frames = []
        for frame in container.decode(stream):
            rgb = frame.to_ndarray(format="rgb24")
            frames.append((float(frame.time or 0), rgb[rgb.shape[0] // 2, rgb.shape[1] // 2]))
        assert stream.duration and stream.time_base
        return frames, float(stream.duration * stream.time_base)


def heard(reel: Path) -> tuple[np.ndarray, float]:
    """Mono samples and their rate, from time zero."""
    with av.open(str(reel)) as container:
        parts = [f.to_ndarray().mean(axis=0) for f in container.decode(audio=0)]
    return np.concatenate(parts), float(RATE_HZ)


def scene_of(color: Any) -> int:
    return int(np.abs(np.array(COLORS) - np.asarray(color, int)).sum(axis=1).argmin())


def pitch(samples: np.ndarray, rate: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


MOMENTS = [(1.5, 2.5), (5.0, 6.5), (9.0, 10.0)]
WANTED = [(0.0, 0), (0.5, 1), (1.0, 2), (2.0, 3), (2.5, 4)]  # reel time, scene from then on

CLIPS: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "late.mp4": {"start_s": 8.3},
    "uneven.mkv": {"uneven": True},
    "stream.ts": {"start_s": 3.0},
    "many.mp4": {"fps": 60},
    "odd.mkv": {"size": (321, 241)},
}


@pytest.mark.parametrize("name", CLIPS)
def test_pictures_and_sound_are_those_of_the_moments(name: str, tmp_path: Path) -> None:
    options = CLIPS[name] | ({"size": (322, 242)} if "size" in CLIPS[name] else {})
    clip = tmp_path / name
    tone_clip(clip, **options)
    start = _first_picture(clip)
    reel = cut(clip, [(start + a, start + b) for a, b in MOMENTS], tmp_path / "reel.mp4")

    frames, length = seen(reel)
    assert length == pytest.approx(3.5, abs=0.04)
    for time_s, color in frames:
        scenes = {scene for at, scene in WANTED if abs(at - time_s) <= 0.045}
        scenes.add([scene for at, scene in WANTED if at <= time_s + 1e-3][-1])
        assert scene_of(color) in scenes, time_s
    assert min(np.diff([t for t, _ in frames])) > 0
    assert len(frames) <= 3.5 * 30 + len(MOMENTS) * 2

    samples, rate = heard(reel)
    assert len(samples) / rate == pytest.approx(3.5, abs=0.03)
    for (begin, scene), end in zip(WANTED, [*[at for at, _ in WANTED[1:]], 3.5], strict=True):
        piece = samples[int((begin + 0.1) * rate) : int((end - 0.1) * rate)]
        assert pitch(piece, rate) == pytest.approx(TONES_HZ[scene], abs=8)


def _first_picture(clip: Path) -> float:
    with av.open(str(clip)) as container:
        return float(next(container.decode(video=0)).time or 0.0)


@pytest.mark.parametrize(
    ("name", "fps", "start_s"),
    [("clap.mp4", 25, 0.0), ("clap.ts", 30, 3.2), ("clap.mkv", 60, 8.3), ("clap.mov", 24, 0.0)],
)
def test_a_flash_and_a_click_stay_together(
    name: str, fps: int, start_s: float, tmp_path: Path
) -> None:
    clip = tmp_path / name
    clap(clip, at_s=(1.0, 4.2, 7.6), fps=fps, start_s=start_s)
    with av.open(str(clip)) as container:  # some containers choose a start of their own
        start_s = float(next(container.decode(video=0)).time or 0.0)
    moments = [(start_s + a, start_s + b) for a, b in ((0.53, 1.5), (4.0, 4.9), (7.07, 8.0))]
    reel = cut(clip, moments, tmp_path / "reel.mp4")
    frames, length_s = seen(reel)
    white = [t for t, color in frames if int(color.min()) > 200]
    flashes = [white[0], *(b for a, b in itertools.pairwise(white) if b - a > 0.2)]
    samples, rate = heard(reel)
    loud = np.flatnonzero(np.abs(samples) > 0.3) / rate
    clicks = [loud[0], *loud[1:][np.diff(loud) > 0.2]]
    wanted = [0.47, 0.97 + 0.2, 1.87 + 0.53]
    assert flashes == pytest.approx(wanted, abs=0.04)
    assert clicks == pytest.approx(wanted, abs=0.02)
    assert flashes == pytest.approx(clicks, abs=0.04)
    assert length_s == pytest.approx(2.8, abs=1 / fps)
    assert len(samples) / rate == pytest.approx(2.8, abs=1 / fps)


def test_chapters_tell_where_in_the_film_one_is(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    tone_clip(clip, start_s=8.0, size=(160, 120))
    start = _first_picture(clip)
    moments = [(start + a, start + b) for a, b in ((0.5, 1.0), (2.0, 2.5), (6.0, 7.0))]
    chapters = (
        Chapter(start_s=start, end_s=start + 4, title="<b>一 & 🎉"),
        Chapter(start_s=start + 4, end_s=start + 10),
    )
    wanted = [(0.0, 1.0, "0:00 <b>一 & 🎉"), (1.0, 2.0, "0:06 Chapter 2")]
    assert marks(cut(clip, moments, tmp_path / "a.mp4", chapters)) == wanted
    plain = [(0.0, 0.5, "0:00 猫"), (0.5, 1.0, "0:02 猫"), (1.0, 2.0, "0:06 猫")]
    assert marks(cut(clip, moments, tmp_path / "b.mp4")) == plain


def test_sound_alone(tmp_path: Path) -> None:
    clip = tmp_path / "song.mp4"
    tone_clip(clip, video=False)
    reel = cut(clip, MOMENTS, tmp_path / "reel.mp4")
    with av.open(str(reel)) as container:
        assert not container.streams.video
    samples, rate = heard(reel)
    assert len(samples) / rate == pytest.approx(3.5, abs=0.03)
    assert pitch(samples[: int(0.4 * rate)], rate) == pytest.approx(TONES_HZ[0], abs=8)


def test_pictures_alone(tmp_path: Path) -> None:
    clip = tmp_path / "silent.mp4"
    tone_clip(clip, audio=False)
    reel = cut(clip, MOMENTS, tmp_path / "reel.mp4")
    with av.open(str(reel)) as container:
        assert not container.streams.audio
    assert seen(reel)[1] == pytest.approx(3.5, abs=0.04)


def test_joins_fade_into_each_other(tmp_path: Path) -> None:
    """Two tones that lie apart in the film: as loud throughout, and no click where they meet."""
    clip = tmp_path / "song.mp4"
    tone_clip(clip, video=False)
    reel = cut(clip, [(0.5, 1.5), (4.5, 5.5)], tmp_path / "reel.mp4")
    samples, rate = heard(reel)
    join = round(1.0 * rate)
    inside = np.abs(np.diff(samples[4000 : join - 4000], n=2)).max()
    across = np.abs(np.diff(samples[join - 2000 : join + 2000], n=2)).max()
    assert across < 8 * inside  # a hard cut makes a step of 0.3 here, fifty times as much
    loud = [np.abs(samples[at : at + 480]).max() for at in range(join - 1440, join + 1440, 480)]
    assert min(loud) > 0.25
    assert np.abs(samples[:20]).max() < 0.05 > np.abs(samples[round(2.0 * rate) - 20 :]).max()


def test_what_is_cut_where_it_goes_on_sounds_as_if_it_were_not() -> None:
    wave = np.random.default_rng(0).normal(0, 0.2, (2, 30_000)).astype(np.float32)

    def hear(begin: int) -> Hear:
        def read(since_s: float, samples: int) -> Iterator[np.ndarray]:
            first = begin + round(since_s * RATE_HZ)
            for at in range(first, first + samples, 700):
                yield wave[:, at : min(at + 700, first + samples)]

        return read

    pieces = [(hear(5000), 9000), (hear(14_000), 30), (hear(14_030), 6000)]
    blocks = list(joined(pieces))
    assert [at for at, _ in blocks] == [0, *np.cumsum([b.shape[1] for _, b in blocks])[:-1]]
    whole = np.concatenate([b for _, b in blocks], axis=1)
    assert whole.shape == (2, 15_030)
    np.testing.assert_allclose(whole[:, 500:-500], wave[:, 5500:19_530], atol=1e-6)


def test_beyond_the_end_the_last_picture_stays_and_it_is_silent(tmp_path: Path) -> None:
    clip = tmp_path / "short.mp4"
    tone_clip(clip, scenes=2)
    reel = cut(clip, [(3.5, 5.0), (50.0, 51.0)], tmp_path / "reel.mp4")
    frames, length = seen(reel)
    assert length == pytest.approx(2.5, abs=0.04)
    assert {scene_of(color) for _, color in frames} == {1}
    samples, rate = heard(reel)
    assert np.abs(samples[int(0.6 * rate) :]).max() < 0.01


def test_turned_and_stretched_films_are_upright(tmp_path: Path) -> None:
    clip = tmp_path / "phone.mp4"
    _quarters(clip, Fraction(2, 1))
    _turn(clip)
    reel = cut(clip, [(0.0, 0.8)], tmp_path / "reel.mp4")
    with av.open(str(reel)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    # 160x120 with pixels twice as wide is shown as 320x240 would be, and lies on its side.
    assert frame.shape == (320, 120, 3)
    corners = [frame[y, x] for y in (40, 280) for x in (20, 100)]
    with open_media(clip) as opened:
        rotation = opened.info.rotation
    square = np.array([[0, 1], [2, 3]])
    assert [scene_of(c) for c in corners] == np.rot90(square, rotation // 90).ravel().tolist()


def _quarters(path: Path, aspect: Fraction) -> None:
    plane = np.zeros((120, 160, 3), np.uint8)
    for i in range(4):
        y, x = i // 2 * 60, i % 2 * 80
        plane[y : y + 60, x : x + 80] = COLORS[i]
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        video.codec_context.sample_aspect_ratio = aspect
        for i in range(25):
            frame = av.VideoFrame.from_ndarray(plane, "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))


def _turn(path: Path) -> None:
    """Write a quarter turn into the track's display matrix, as phones do."""
    data = bytearray(path.read_bytes())
    one, minus = (0x10000).to_bytes(4, "big"), (2**32 - 0x10000).to_bytes(4, "big")
    zero, unit = bytes(4), (0x40000000).to_bytes(4, "big")
    plain = one + zero * 3 + one + zero * 3 + unit
    turned = zero + one + zero + minus + zero * 4 + unit
    at = data.index(plain, data.index(b"tkhd"))
    data[at : at + 36] = turned
    path.write_bytes(data)


def test_sizes_are_even_and_bounded() -> None:
    for width, height in ((1, 1), (3840, 2160), (1080, 1920), (321, 241), (10_000, 40), (0, 0)):
        wide, high = reel_size(width, height)
        assert wide % 2 == high % 2 == 0
        assert 16 <= min(wide, high) <= 720
        assert max(wide, high) <= 1920


def test_the_key_knows_what_could_change_the_reel() -> None:
    analysis = make_analysis()
    other = dataclasses.replace(analysis, digest="cd" * 32)
    fewer = dataclasses.replace(
        analysis,
        summary=dataclasses.replace(analysis.summary, segments=analysis.summary.segments[:1]),
    )
    parted = dataclasses.replace(
        analysis,
        summary=dataclasses.replace(
            analysis.summary, chapters=(Chapter(start_s=0, end_s=20, title="all"),)
        ),
    )
    renamed = dataclasses.replace(analysis, warnings=(), seconds={})
    keys = [reel_key(a) for a in (analysis, other, fewer, parted, renamed)]
    assert keys[0] == keys[4]
    assert len(set(keys)) == 4


def test_moments_that_overlap_are_shown_once() -> None:
    moments = [(5.0, 7.0), (1.0, 2.0), (6.0, 8.0), (8.0, 9.0), (3.0, 3.0)]
    segments = [Segment(start_s=a, end_s=b, score=0.5) for a, b in moments]
    assert stretches(segments) == [(1.0, 2.0), (5.0, 9.0)]


@pytest.mark.needs("shared")
@pytest.mark.parametrize(
    "name", ["corrupted.mp4", "Megamind.avi", "no_duration.webm", "-video-with-dash-.mp4"]
)
def test_hard_inputs(name: str, shared_data: Path, tmp_path: Path) -> None:
    media = next((shared_data / "hard_inputs").rglob(name))
    with open_media(media) as opened:
        end = opened.info.start_s + (opened.info.duration_s or 1.0)
    reel = cut(media, [(end * 0.3, end * 0.4), (end * 0.6, end * 0.7)], tmp_path / "reel.mp4")
    assert seen(reel)[1] == pytest.approx(end * 0.2, abs=0.08)


def test_the_same_moments_give_the_same_bytes(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    tone_clip(clip, scenes=2, scene_s=1.0)
    first, second = (cut(clip, [(0.5, 1.5)], tmp_path / f"{n}.mp4") for n in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_an_analysis_is_not_needed_whole(tmp_path: Path) -> None:
    """Long moments do not gather in memory: frames and samples come one by one."""
    clip = tmp_path / "clip.mp4"
    tone_clip(clip, scenes=1, scene_s=1.0)
    with StretchReader(clip, lambda streams: streams.audio) as reader:
        blocks = sound(reader, 0.0, RATE_HZ * 3600)
        sizes = [next(blocks).shape[1] for _ in range(100)]
    assert max(sizes) <= RATE_HZ


COLOURS = np.array([[0.1, 0.1, 0.1], [0.5, 0.2, 0.2], [0.3, 0.6, 0.3], [0.75, 0.75, 0.75]])


@pytest.mark.parametrize("turned", [0, 90])
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_high_dynamic_range_looks_as_in_the_frames(
    transfer: int, turned: int, tmp_path: Path
) -> None:
    clip = film(tmp_path / "film.mp4", patches(COLOURS), transfer=transfer, rotation=turned)
    with open_media(clip) as media:
        (frames,) = (c for c in media.stream(short_side=32) if isinstance(c, Frames))
    reel = cut(clip, [(0.0, 1.0)], tmp_path / "reel.mp4")
    with av.open(str(reel)) as container:
        assert container.streams.video[0].codec_context.color_trc == BT709
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == frames.rgb[0].shape == ((128, 32, 3) if turned else (32, 128, 3))
    middles = np.s_[16::32, 16::32]
    np.testing.assert_allclose(
        shown[middles].astype(int), frames.rgb[0][middles].astype(int), atol=6
    )


def test_memory_that_nobody_wrote_changes_no_byte(tmp_path: Path) -> None:
    """The GNU C library fills memory as it is told to; others are asked in vain, and agree."""
    tone_clip(tmp_path / "a.mp4", scenes=2, scene_s=0.5, audio=False)
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from unit.test_report_reel import cut
        root = Path({str(tmp_path)!r})
        cut(root / "a.mp4", [(0.2, 0.4), (0.6, 0.8)], root / sys.argv[1])
        """
    )
    for filling in ("0", "1"):
        subprocess.run(
            [sys.executable, "-c", script, f"{filling}.mp4"],
            env=os.environ | {"MALLOC_PERTURB_": filling, "MALLOC_MMAP_THRESHOLD_": str(1 << 30)},
            check=True,
            timeout=60,
        )
    first, second = ((tmp_path / f"{filling}.mp4").read_bytes() for filling in "01")
    assert first == second
