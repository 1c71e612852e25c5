"""Key moments: under the budget, in time order, of all that is to be seen; texts only quote."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import synth
from triptych.errors import UsageError
from triptych.extract.specs import AUDIO
from triptych.predict.summary import summarize, summary_language
from triptych.records import Cue, LabelScore, Prediction, Shot, Summary, Timeline

SECONDS = 60
SCENE_S = 10  # six scenes, in the order A B A C A B
ORDER = "ABACAB"


def looks(order: str = ORDER, scene_s: int = SCENE_S) -> np.ndarray:
    """A direction for each letter, with a little noise."""
    rng = np.random.default_rng(5)
    base = {letter: rng.normal(size=32) for letter in "ABCDEF"}
    rows = [base[letter] for letter in order for _ in range(scene_s)]
    return (np.array(rows) + rng.normal(0, 0.1, (len(rows), 32))).astype(np.float32)


def loudness(levels_db: Sequence[float]) -> np.ndarray:
    values = np.zeros((len(levels_db), AUDIO.dim), np.float32)
    values[:, AUDIO.columns.index("loudness_db")] = levels_db
    return values


def film(order: str = ORDER, *, start_s: float = 0.0, **tracks: np.ndarray) -> Timeline:
    values = {"image": looks(order), **tracks}
    steps = len(values["image"])
    return synth.timeline({n: (v, [True] * steps) for n, v in values.items()}, start_s=start_s)


def scenes_of(timeline: Timeline, scene_s: int = SCENE_S) -> list[Shot]:
    begin, end = float(timeline.start_s[0]), float(timeline.end_s[-1])
    return [Shot(start_s=s, end_s=s + scene_s) for s in np.arange(begin, end, scene_s).tolist()]


def prediction(timeline: Timeline, labels: tuple[str, ...] = ("dogs", "cars")) -> Prediction:
    """The first label in the first half of the film, the second in the other."""
    first = (np.arange(len(timeline)) < len(timeline) / 2).astype(np.float32)
    return Prediction(
        method="zero-shot",
        ranked=tuple(
            LabelScore(label=label, score=0.5, contributions={"image": 0.0}) for label in labels
        ),
        labels=labels,
        steps=np.stack([first, 1 - first], axis=1),
        step_present=np.ones(len(timeline), bool),
    )


def summary_of(
    timeline: Timeline,
    *,
    shots: Sequence[Shot] | None = None,
    cues: Sequence[Cue] = (),
    budget: str = "15%",
    language: str = "",
) -> Summary:
    found = summarize(
        timeline,
        shots=scenes_of(timeline) if shots is None and len(timeline) else shots or (),
        cues=cues,
        prediction=prediction(timeline),
        budget=budget,
        language=language,
    )
    check(found, timeline, cues)
    return found


def told(timeline: Timeline, *, language: str = "en", **changes: Any) -> Summary:
    """A summary with a prediction that is changed."""
    changed = dataclasses.replace(prediction(timeline), **changes)
    return summarize(
        timeline, shots=scenes_of(timeline), cues=(), prediction=changed, language=language
    )


def test_what_is_important_to_a_model_is_worth_showing() -> None:
    timeline = film("ABCD")
    for scene in range(4):
        importance = np.zeros(len(timeline), np.float32)
        importance[scene * SCENE_S : (scene + 1) * SCENE_S] = 1.0
        found = told(timeline, method="mine", importance=importance)
        assert found.method.endswith("important to mine")
        best = max(found.segments, key=lambda s: s.score)
        assert scene * SCENE_S <= best.start_s < (scene + 1) * SCENE_S


@pytest.mark.parametrize(
    ("changes", "english", "chinese"),
    [
        ({}, "Closest to: dogs, cars.", "内容最接近：dogs、cars。"),
        ({"method": "m"}, "Most likely: dogs, cars.", "最可能的标签：dogs、cars。"),
        ({"method": "m", "kind": "value"}, "Predicted value: 0.5.", "预测值：0.5。"),
    ],
)
def test_labels_are_told_as_what_they_are(
    changes: dict[str, Any], english: str, chinese: str
) -> None:
    timeline = film("AB")
    assert english in told(timeline, **changes).text
    assert chinese in told(timeline, language="zh", **changes).text


def test_of_several_labels_those_that_hold_are_told() -> None:
    timeline = film("AB")
    ranked = prediction(timeline).ranked
    holding = tuple(
        dataclasses.replace(r, holds=h) for r, h in zip(ranked, (False, True), strict=True)
    )
    text = told(timeline, method="m", kind="independent", ranked=holding).text
    assert "Most likely: cars." in text
    assert "likely" not in told(timeline, method="m", kind="independent").text


def check(found: Summary, timeline: Timeline, cues: Sequence[Cue]) -> None:
    """What holds for every summary."""
    lengths = [s.end_s - s.start_s for s in found.segments]
    assert sum(lengths) <= found.budget_s + 1e-4
    assert all(length > 0 for length in lengths)
    for before, after in zip(found.segments, found.segments[1:], strict=False):
        assert before.end_s <= after.start_s + 1e-9
    assert all(0 <= s.score <= 1 for s in found.segments)
    assert all(type(x) is float for s in found.segments for x in (s.start_s, s.end_s, s.score))
    if found.segments:
        assert found.segments[0].start_s >= timeline.start_s[0] - 1e-6
        assert found.segments[-1].end_s <= timeline.end_s[-1] + 1e-6
        assert max(s.score for s in found.segments) == 1.0
    assert set(found.sentences) <= set(cues)
    assert list(found.sentences) == sorted(found.sentences, key=lambda c: c.start_s)
    for cue in found.sentences:
        assert f"“{cue.text}”" in found.text
    assert found.text.count("“") == len(found.sentences)


@pytest.mark.parametrize(
    ("budget", "seconds"),
    [("15%", 9.0), ("50%", 30.0), ("100%", 60.0), ("30s", 30.0), ("1%", 3.0), ("2s", 2.0),
     ("0.05s", 0.05), ("500s", 60.0)],
)  # fmt: skip
@pytest.mark.parametrize("start_s", [0.0, 8.3])
def test_the_budget_is_kept_and_used(budget: str, seconds: float, start_s: float) -> None:
    found = summary_of(film(start_s=start_s), budget=budget)
    assert found.budget_s == pytest.approx(seconds)
    used = sum(s.end_s - s.start_s for s in found.segments)
    assert used == pytest.approx(seconds, abs=min(2.0, 0.35 * seconds))


def test_an_unreadable_budget_is_refused() -> None:
    with pytest.raises(UsageError):
        summary_of(film(), budget="some")


@pytest.mark.parametrize("order", [ORDER, "AAAAAB", "AAABBC", "ABCDEF"])
def test_each_scene_is_shown_before_any_is_repeated(order: str) -> None:
    # Scenes of 9 s and a budget of 3 s for each that differs: as many moments as there are scenes.
    distinct = len(set(order))
    values = looks(order, 9)
    timeline = synth.timeline({"image": (values, [True] * len(values))})
    found = summary_of(timeline, shots=scenes_of(timeline, 9), budget=f"{3 * distinct}s")
    shown = [order[int(s.start_s // 9)] for s in found.segments]
    assert sorted(shown) == sorted(set(order))


def test_what_is_most_common_comes_first() -> None:
    found = summary_of(film("AAAAAB"), budget="3s")
    assert len(found.segments) == 1 and found.segments[0].end_s <= 5 * SCENE_S


def test_what_is_spoken_over_is_preferred() -> None:
    cues = [synth.cue(34, 38, "Now it happens.")]
    found = summary_of(film("AAAAAA"), cues=cues, budget="4s")
    (only,) = found.segments
    assert 30 <= only.start_s < 38 and only.words == "Now it happens."
    assert found.sentences == tuple(cues)


def test_what_is_audible_is_preferred() -> None:
    levels = [-70.0] * SECONDS
    levels[40:50] = [-12.0] * 10
    found = summary_of(film("AAAAAA", audio=loudness(levels)), budget="4s")
    assert 40 <= found.segments[0].start_s < 50


def test_moments_stay_within_shots() -> None:
    shots = [Shot(start_s=a, end_s=b) for a, b in ((0, 7), (7, 29), (29, 60))]
    found = summary_of(film(), shots=shots, budget="40%")
    for segment in found.segments:
        assert any(
            s.start_s - 1e-6 <= segment.start_s and segment.end_s <= s.end_s + 1e-6 for s in shots
        )


def test_moments_are_named_by_the_leading_label() -> None:
    found = summary_of(film(), budget="100%")
    assert {s.label for s in found.segments if s.end_s <= 30} == {"dogs"}
    assert {s.label for s in found.segments if s.start_s >= 30} == {"cars"}


def test_sound_alone_has_key_moments() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=(3, AUDIO.dim)), 10, axis=0).astype(np.float32)
    values[:, AUDIO.columns.index("loudness_db")] = -20
    only = synth.timeline({"audio": (values, [True] * 30)})
    found = summary_of(only, shots=(), budget="12s")
    assert {int(s.start_s // 10) for s in found.segments} == {0, 1, 2}


def test_words_alone_have_key_moments() -> None:
    only = synth.timeline({"text": (np.ones((20, 4)), [True] * 20)})
    found = summary_of(only, shots=(), cues=[synth.cue(8, 12, "Listen.")], budget="4s")
    assert found.sentences and found.segments[0].words == "Listen."


def test_nothing_at_all_is_an_empty_summary() -> None:
    found = summary_of(synth.timeline({}), shots=())
    assert (found.segments, found.sentences, found.budget_s) == ((), (), 0.0)
    assert "0:00.0 long" in found.text


@pytest.mark.parametrize("steps", [1, 2])
def test_a_film_of_a_second_or_two_is_its_own_summary(steps: int) -> None:
    tiny = synth.timeline({"image": (looks("A")[:steps], [True] * steps)})
    found = summary_of(tiny, shots=[Shot(start_s=0.0, end_s=float(steps))])
    assert sum(s.end_s - s.start_s for s in found.segments) == pytest.approx(steps)


def test_holes_in_a_track_do_not_count_as_looks() -> None:
    values, mask = looks("AABB"), [True] * 20 + [False] * 20
    holed = synth.timeline({"image": (values, mask)})
    found = summary_of(holed, shots=[Shot(start_s=0.0, end_s=40.0)], budget="8s")
    assert found.segments


def test_the_same_film_has_the_same_summary() -> None:
    assert summary_of(film(), budget="20%") == summary_of(film(), budget="20%")


def test_a_sentence_is_quoted_once_and_at_most_five_are() -> None:
    cues = [synth.cue(t, t + 1, "Again." if t % 2 else f"Sentence {t}.") for t in range(0, 60, 3)]
    found = summary_of(film(), cues=cues, budget="100%")
    texts = [c.text for c in found.sentences]
    assert len(texts) == len(set(texts)) == 5


def test_texts_speak_the_language_of_the_cues() -> None:
    chinese = summary_of(film(), cues=[synth.cue(0, 60, "今天的天气很好。", "zh")])
    assert chinese.language == "zh"
    assert (
        chinese.text.startswith("时长 1:00。")
        and "片中说道：0:00“今天的天气很好。”" in chinese.text
    )
    english = summary_of(film(), cues=[synth.cue(0, 60, "A fine day.", "en")])
    assert english.language == "en" and english.text.startswith(
        "1:00 long. Closest to: dogs, cars."
    )
    asked = summary_of(film(), cues=[synth.cue(0, 60, "A fine day.", "en")], language="zh")
    assert asked.text.startswith("时长") and "“A fine day.”" in asked.text


def test_moments_are_told_from_the_start_of_the_film() -> None:
    found = summary_of(film(start_s=8.3), budget="100%")
    assert "Key moments at 0:00" in found.text


@pytest.mark.parametrize(
    ("texts", "languages", "expected"),
    [
        ([], [], "en"),
        (["今天的天气很好"], ["und"], "zh"),
        (["今日はいい天気です"], ["und"], "en"),  # kana: not Chinese
        (["hello", "bonjour", "salut"], ["en", "fr", "fr"], "fr"),
        (["你好"], ["chi"], "zh"),
        (["hello"], ["cmn-Hant"], "zh"),
        (["hello"], ["und"], "en"),
    ],
)
def test_the_language_of_the_cues(texts: list[str], languages: list[str], expected: str) -> None:
    cues = [synth.cue(0, 1, t, lang) for t, lang in zip(texts, languages, strict=True)]
    assert summary_language(cues) == expected
