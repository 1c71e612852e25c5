"""Speech: Whisper's own features, an embedding a step, and recognised sentences."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.decode.spectrogram import LogMel
from triptych.extract import asr
from triptych.extract.asr import SpeechRecognizer, _without_loops
from triptych.extract.drive import extract, pump
from triptych.extract.registry import Extraction, load
from triptych.extract.speech import whisper_scaled
from triptych.features.collect import _until
from triptych.records import Cue, FeatureTrack, Sound, Spectrogram, Word

pytestmark = pytest.mark.needs("embedded", "asr")


def ended(coroutine: Extraction) -> dict[str, object]:
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


def speech(wave: np.ndarray, start_s: float = 0.0, step_s: float = 1.0) -> FeatureTrack:
    log_mel, coroutine = LogMel(), load("speech")(step_s=step_s)
    next(coroutine)
    columns = [log_mel.feed(s) for s in synth.sounds(wave, 160_000, start_s)]
    for found in [*columns, log_mel.finish()]:
        if found is not None:
            coroutine.send(found)
    track = ended(coroutine)["speech"]
    assert isinstance(track, FeatureTrack)
    return track


def recognized(wave: np.ndarray) -> tuple[Cue, ...]:
    coroutine = SpeechRecognizer()()
    next(coroutine)
    for sound in synth.sounds(wave, 160_000):
        coroutine.send(sound)
    return ended(coroutine)["asr"]  # type: ignore[return-value]


def test_the_columns_are_whispers_own() -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    wave = synth.tone(440, 4.0) + synth.noise(4.0, level=0.05)
    log_mel = LogMel()
    found = [log_mel.feed(s) for s in synth.sounds(wave, len(wave))]
    ours = whisper_scaled(
        np.concatenate([s.log_mel for s in [*found, log_mel.finish()] if s is not None])
    )
    theirs = FeatureExtractor(feature_size=80)(wave, padding=0).T
    # The last columns differ: one mirrors the end of the sound, the other leaves it out.
    rows = min(len(ours), len(theirs)) - 3
    np.testing.assert_allclose(ours[:rows], theirs[:rows], atol=2e-3)


def test_the_scale_is_that_of_the_window() -> None:
    scaled = whisper_scaled(np.array([[-10.0, 0.0], [1.0, -4.0]], np.float32))
    # Nothing lies more than 8 below the loudest.
    np.testing.assert_allclose(scaled, [[-0.75, 1.0], [1.25, 0.0]])


@pytest.mark.parametrize(
    ("seconds", "rows"),
    [(0.05, 0), (0.2, 1), (1.0, 1), (1.05, 1), (1.5, 2), (10.0, 10), (10.02, 10), (12.3, 13)],
)
def test_a_row_a_second(seconds: float, rows: int) -> None:
    track = speech(synth.noise(seconds), start_s=8.3)
    assert len(track) == rows and np.isfinite(track.values).all()
    np.testing.assert_allclose(track.start_s, 8.3 + np.arange(rows))
    if rows:
        assert track.end_s[-1] <= 8.3 + seconds + 1e-9


def test_a_tail_too_short_for_a_row_of_its_own_changes_nothing() -> None:
    columns = np.random.default_rng(0).normal(-4, 1, (309, 80)).astype(np.float32)
    tracks = []
    for count in (300, 309):
        coroutine = load("speech")()
        next(coroutine)
        coroutine.send(Spectrogram(log_mel=columns[:count], start_s=0.0, hop_s=0.01))
        tracks.append(ended(coroutine)["speech"])
    np.testing.assert_array_equal(tracks[0].values, tracks[1].values)


@pytest.mark.parametrize(
    ("seconds", "step_s", "rows"),
    [
        (0.05, 0.1, 0), (0.1, 0.1, 1), (0.2, 0.1, 2), (1.0, 0.25, 4), (1.05, 0.25, 4),
        (9.95, 0.3, 33), (10.05, 0.3, 34), (10.05, 0.15, 67), (10.02, 0.995, 10), (12.0, 0.3, 40),
        (12.0, 7.0, 2),
    ],
)  # fmt: skip
def test_rows_as_long_as_asked_for_across_windows(seconds: float, step_s: float, rows: int) -> None:
    track = speech(synth.noise(seconds), start_s=8.3, step_s=step_s)
    assert len(track) == rows and np.isfinite(track.values).all()
    np.testing.assert_allclose(track.start_s, 8.3 + step_s * np.arange(rows))
    np.testing.assert_allclose(track.end_s[:-1], track.start_s[1:])
    if rows:
        assert track.start_s[-1] < track.end_s[-1] <= 8.3 + seconds + 1e-9


@pytest.mark.parametrize(("step_s", "counts"), [(0.1, [5]), (0.25, [12, 13])])
def test_fine_rows_are_means_of_the_same_states(step_s: float, counts: list[int]) -> None:
    wave = np.concatenate([synth.tone(200 + 90 * n, 1.0) for n in range(12)])
    coarse, fine = speech(wave), speech(wave, step_s=step_s)
    weights = np.resize(counts, len(fine)) / 50
    pooled = (fine.values * weights[:, None]).reshape(len(coarse), -1, 512).sum(axis=1)
    spread = float(np.abs(coarse.values).max())
    np.testing.assert_allclose(pooled, coarse.values, atol=1e-5 * spread)


def sound_of(path: Path) -> np.ndarray:
    with open_media(path) as media:
        chunks = media.stream(pictures=False, text=False)
        return np.concatenate([c.samples for c in chunks if isinstance(c, Sound)])


def aligned(path: Path) -> list[tuple[float, float, str]]:
    """Words of a GRID clip as people timed them; the unit is 1/25000 s."""
    rows = [line.split() for line in path.read_text("utf-8").splitlines()]
    return [(int(a) / 25_000, int(b) / 25_000, w) for a, b, w in rows if w not in ("sil", "sp")]


def test_silence_and_noise_say_nothing() -> None:
    assert recognized(np.zeros(32_000, np.float32)) == ()
    assert recognized(synth.noise(3.0)) == ()
    assert recognized(synth.tone(440, 3.0)) == ()
    assert recognized(np.zeros(0, np.float32)) == ()


def test_a_sentence_over_and_over_is_a_loop() -> None:
    cues = [synth.cue(n, n + 1, t) for n, t in enumerate(["a", "b", "b", "b", "b", "c", "b"])]
    assert [c.text for c in _without_loops(cues)] == ["a", "b", "b", "c", "b"]


@pytest.mark.needs("shared")
def test_words_are_recognised_at_their_times(shared_data: Path) -> None:
    path = shared_data / "grid_s1" / "video" / "bbaz4n.mpg"  # "bin blue at z four now"
    with open_media(path) as media:
        cues = pump(media, {"asr": SpeechRecognizer()})["asr"]
        report = media.report
    text = " ".join(c.text for c in cues).lower()
    assert "blue" in text and "now" in text
    assert all(c.source == "asr" and c.language == "en" for c in cues)
    assert all(media.info.start_s <= c.start_s <= c.end_s <= report.end_s + 1e-3 for c in cues)


@pytest.mark.needs("shared")
def test_each_word_has_its_time(shared_data: Path) -> None:
    wave = sound_of(shared_data / "grid_s1" / "video" / "bbaz4n.mpg")
    wanted = aligned(shared_data / "grid_s1" / "alignments" / "bbaz4n.align")
    (cue,) = recognized(wave)
    assert "".join(word.text for word in cue.words).strip() == cue.text
    found = {re.sub(r"\W", "", word.text).lower(): word for word in cue.words}
    alike = [(found[w], a, b) for a, b, w in wanted if w in found]
    assert len(alike) >= 3
    for word, start_s, end_s in alike:
        # Whisper lets a word begin where the one before ends.
        assert min(word.end_s, end_s) > max(word.start_s, start_s)
        assert abs(word.end_s - end_s) < 0.2


def test_words_end_with_the_film() -> None:
    words = tuple(Word(start_s=n, end_s=n + 0.9, text=f" {n}") for n in range(4))
    cue = Cue(start_s=0, end_s=3.9, text="0 1 2 3", source="asr", words=words)
    cut = _until(cue, 2.5)
    assert cut.end_s == cut.words[-1].end_s == 2.5 and len(cut.words) == 3


@pytest.mark.needs("shared")
def test_speech_between_noises_is_found_where_it_is(shared_data: Path) -> None:
    wave = sound_of(shared_data / "grid_s1" / "video" / "bbaz4n.mpg")
    noise = synth.noise(4.0, level=0.02)
    cues = recognized(np.concatenate([noise, wave, noise]))
    assert cues
    assert all(3.5 < word.start_s <= word.end_s < 7.5 for cue in cues for word in cue.words)


@pytest.mark.needs("shared")
def test_long_sound_is_cut_in_a_pause(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shared_data / "grid_s1" / "video"
    names = ("bbaz4n", "bbil3s", "bbir7s")
    wave = np.concatenate([sound_of(folder / f"{name}.mpg") for name in names])
    recognizer, cuts = SpeechRecognizer("en"), []
    monkeypatch.setattr(asr, "_MOST", 6 * 16_000)
    hear = recognizer._recognize
    monkeypatch.setattr(recognizer, "_recognize", lambda *args: cuts.append(args[1]) or hear(*args))
    coroutine = recognizer()
    next(coroutine)
    for sound in synth.sounds(wave, 6 * 16_000 // 2):
        coroutine.send(sound)
    cues = ended(coroutine)["asr"]
    assert len(cuts) == 2 and cuts[0] == 0.0
    words = [
        (len(wave) / 16_000 / 3 * i + a, len(wave) / 16_000 / 3 * i + b)
        for i, name in enumerate(names)
        for a, b, _ in aligned(shared_data / "grid_s1" / "alignments" / f"{name}.align")
    ]
    assert not any(a < cuts[1] < b for a, b in words)
    ends = [word.end_s for cue in cues for word in cue.words]
    assert ends == sorted(ends) and cues[-1].start_s > 6


@pytest.mark.needs("shared")
def test_chinese_is_told_and_written_in_simplified_characters(shared_data: Path) -> None:
    wave = sound_of(shared_data / "long_video" / "datajuicer_video3_50s_portrait.mp4")
    cues = recognized(wave[24 * 16_000 : 44 * 16_000])
    text = "".join(cue.text for cue in cues)
    assert {cue.language for cue in cues} == {"zh"}
    assert "如果您不介意把" in text and "做一些" in text
    text.encode("gb2312")  # which has no traditional characters
    assert all(cue.end_s - cue.start_s <= 7 and len(cue.text) <= 34 for cue in cues)
    assert all("".join(w.text for w in cue.words).strip() == cue.text for cue in cues)


@pytest.mark.needs("shared")
def test_one_voice_is_closer_to_itself_than_to_rain(shared_data: Path) -> None:
    def mean(path: Path) -> np.ndarray:
        with open_media(path) as media:
            row = extract(media, ["speech"])["speech"].values.mean(axis=0)
        return row / np.linalg.norm(row)

    videos = sorted((shared_data / "grid_s1" / "video").iterdir())[:3]
    voices = [mean(p) for p in videos]
    rain = mean(min((shared_data / "esc10" / "rain").iterdir()))
    for one, other in itertools.pairwise(voices):
        assert one @ other > max(one @ rain, other @ rain)
