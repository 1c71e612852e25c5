"""Every type of model is built, trained, saved, loaded, and judges a video by itself."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from toys import MODALITIES, TRACKS, answer, example, lively, right, told
from triptych_models.baselines import MODEL_TYPES, build
from triptych_models.batches import PIXELS, Example, collate
from triptych_models.checkpoint import TrainedModel, load_model, save_model
from triptych_models.inference import forward_all
from triptych_models.train import Recipe, fit

pytestmark = pytest.mark.usefixtures("one_thread")

OF_WORDS = ("late-concat-lstm", "late-concat-cnn", "bag-of-words", "tfidf")
NARROW = tuple(t for t in MODEL_TYPES if t == "fusion" or t.startswith("only-"))
SAID = (("好", "的", "yes"), ("不", "的"), ("看", "的", "no", "no"))
CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def made(model_type: str, tracks: Any = TRACKS, **more: Any) -> nn.Module:
    torch.manual_seed(0)
    options = {"width": 16, "heads": 2} if model_type in NARROW else {}
    return build(model_type, tracks, modalities=MODALITIES, outputs=3, **options, **more)


def videos(count: int = 18, *, seed: int = 0) -> list[Example]:
    """Three kinds, which differ in their features, their words and their pictures."""
    rng = np.random.default_rng(seed)
    some = []
    for i, video in enumerate(told([k % 3 for k in range(count)], seed=seed, strength=3.0)):
        picture = rng.integers(0, 60, (PIXELS, PIXELS, 3)) + 90 * np.eye(3, dtype=int)[i % 3]
        words = tuple(rng.permutation(SAID[i % 3])) * int(rng.integers(1, 4))
        some.append(
            replace(
                video,
                words=words if i % 7 else (),
                pixels=picture.astype(np.uint8) if i % 5 else None,
            )
        )
    return some


def taught(model_type: str, *, epochs: int, train: list[Example], **more: Any) -> nn.Module:
    model = made(model_type)
    recipe = Recipe(epochs=epochs, batch=6, **({"learning_rate": 5e-3} | more))
    fit(model, train, task="single", modalities=MODALITIES, recipe=recipe)
    return model


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_model_of_each_type_comes_back_as_it_was(model_type: str, tmp_path: Path) -> None:
    train = videos()
    member = taught(model_type, epochs=1, train=train)
    model = TrainedModel(
        name="m",
        model_type=model_type,
        task="single",
        labels=("a", "b", "c"),
        tracks={t: {"modality": MODALITIES[t], "dim": d} for t, d in TRACKS.items()},
        members=[member],
        options={"width": 16, "heads": 2} if model_type in NARROW else {},
    )
    save_model(model, tmp_path / model_type)
    loaded = load_model(tmp_path / model_type)
    fresh = [*videos(7, seed=4), example(1, steps=0), example(2, words=("nobody", "said", "this"))]
    wanted = model.scores(fresh)
    assert np.isfinite(wanted).all()
    np.testing.assert_array_equal(loaded.scores(fresh), wanted)
    assert loaded.parameters == model.parameters > 0
    explanation = loaded.explain(fresh[0])
    np.testing.assert_allclose(explanation.scores, wanted[0], atol=1e-5)
    assert explanation.steps.shape == (len(fresh[0].time_s), 3)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_what_else_is_in_the_batch_changes_nothing(model_type: str) -> None:
    """Neither its order, nor how long and how talkative the others are."""
    model = lively(made(model_type))
    talk = replace(example(77, steps=60), words=("a", "鱼", "c") * 50)
    some = [*videos(6, seed=2), talk, example(5, share=0.0)]
    some[2] = some[2].without(["image", "text"])
    together = answer(model, some).logits
    order = [3, 7, 0, 2, 5, 6, 1, 4]
    torch.testing.assert_close(
        answer(model, [some[i] for i in order]).logits, together[order], **CLOSE
    )
    for row, video in zip(together, some, strict=True):
        torch.testing.assert_close(answer(model, [video]).logits[0], row, **CLOSE)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_masked_rows_change_nothing(model_type: str) -> None:
    model, video = lively(made(model_type)), example(3, share=0.5, words=("a",))
    values = {
        t: np.where(video.present[t][:, None], v, np.float32(np.nan))
        for t, v in video.values.items()
    }
    assert torch.equal(
        answer(model, [replace(video, values=values)]).logits, answer(model, [video]).logits
    )


@pytest.mark.parametrize("model_type", ["gated", "attention", "lstm", "linear"])
def test_what_was_learned_of_a_track_that_is_absent_has_no_say(model_type: str) -> None:
    model = lively(made(model_type))
    hidden = [e.without(["speech"]) for e in videos(5)]
    before = answer(model, hidden).logits
    changed = [v for k, v in model.state_dict().items() if "speech" in k.split(".")]
    for weights in changed:
        weights.uniform_(-3, 3)
    assert len(changed) >= 3
    torch.testing.assert_close(answer(model, hidden).logits, before)


@pytest.mark.parametrize(
    "model_type", ["gated", "attention", "lstm", "linear", "only-audio", "bag-of-words", "tfidf"]
)
def test_each_learns_what_it_can_see(model_type: str) -> None:
    model = taught(model_type, epochs=12, train=videos(36), learning_rate=2e-2)
    fresh = [e for e in videos(60, seed=4) if e.words]
    assert right(forward_all(model, fresh), fresh) > 0.9


@pytest.mark.parametrize("model_type", ["late-concat-lstm", "late-concat-cnn"])
def test_words_and_pictures_are_both_read(model_type: str) -> None:
    model = lively(made(model_type))
    video = videos(3)[1]
    assert video.pixels is not None
    whole = answer(model, [video]).logits
    for less in (replace(video, words=()), replace(video, pixels=None)):
        assert not torch.allclose(answer(model, [less]).logits, whole)
    black = replace(video, pixels=np.zeros_like(video.pixels))
    assert not torch.equal(
        answer(model, [black]).logits, answer(model, [replace(video, pixels=None)]).logits
    )


def test_the_recurrent_model_reads_steps_in_their_order() -> None:
    model, video = lively(made("lstm")), example(2, steps=6)
    turned = replace(
        video,
        values={t: v[::-1].copy() for t, v in video.values.items()},
        present={t: m[::-1].copy() for t, m in video.present.items()},
    )
    found, other = answer(model, [video]), answer(model, [turned])
    assert found.steps is not None and found.steps.shape == (1, 6, 3)
    assert not torch.allclose(found.logits, other.logits, atol=1e-3)
    torch.testing.assert_close(found.steps.mean(1), found.logits, **CLOSE)


def test_the_linear_model_says_why() -> None:
    model, some = lively(made("linear")), videos(5)
    found = answer(model, some)
    assert set(found.parts) == set(MODALITIES.values())
    torch.testing.assert_close(found.logits, model.bias + sum(found.parts.values()), **CLOSE)
    for modality, part in found.parts.items():
        torch.testing.assert_close(found.evidence[modality].sum(1), part, **CLOSE)


@pytest.mark.parametrize("modality", sorted(set(MODALITIES.values())))
def test_only_one_modality_is_read(modality: str) -> None:
    model = lively(made(f"only-{modality}"))
    own = {t for t in TRACKS if MODALITIES[t] == modality}
    assert set(model.tracks) == own
    some = videos(4)
    others = [e.without([t for t in TRACKS if t not in own]) for e in some]
    assert torch.equal(answer(model, some).logits, answer(model, others).logits)
    assert not torch.equal(
        answer(model, some).logits, answer(model, [e.without(list(own)) for e in some]).logits
    )


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="no model type 'magic'; there are fusion, "):
        made("magic")
    with pytest.raises(ValueError, match="no track of the modality 'text' among image, audio"):
        made("only-text", {"image": 6, "audio": 5})
    for model_type in MODEL_TYPES:
        if model_type in OF_WORDS:
            assert made(model_type, {}).tracks == {}
        else:
            with pytest.raises(ValueError, match="no track"):
                made(model_type, {})


@pytest.mark.parametrize("model_type", OF_WORDS)
def test_the_vocabulary_survives(model_type: str, tmp_path: Path) -> None:
    model = made(model_type)
    said = [("看", "报", "𠮷"), ("看", "don't", "看"), (" ", '"', "\u2028")]
    model.prepare([example(i, words=words) for i, words in enumerate(said)])
    trained = TrainedModel(
        name="m",
        model_type=model_type,
        task="single",
        labels=("a", "b", "c"),
        tracks={},
        members=[worded(model)],
    )
    save_model(trained, tmp_path)
    (member,) = load_model(tmp_path).members
    assert set(member.words) == {word for words in said for word in words}
    assert member.words == model.words and member.inverse == model.inverse
    assert next(iter(member.words)) == "看"  # the most frequent
    asked = [example(9, words=("看", "𠮷", "新")), example(9, words=())]
    assert torch.equal(answer(member, asked).logits, answer(model, asked).logits)
    text = (tmp_path / "config.json").read_text(encoding="utf-8")
    assert "看" in text


def worded(model: nn.Module) -> nn.Module:
    """Weights that differ from word to word, and the vocabulary that is there."""
    generator = torch.Generator().manual_seed(0)
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.3, generator=generator)
    return model.eval()


def test_a_bag_of_words_counts_no_word_twice() -> None:
    model = made("bag-of-words")
    model.prepare([example(1, words=("a", "b"))])
    worded(model)
    once, often = example(1, words=("a", "b")), example(1, words=("b", "a", "a", "a"))
    assert torch.equal(answer(model, [once]).logits, answer(model, [often]).logits)
    columns = [model.words[w] for w in "ab"]
    wanted = model.line.weight[:, columns].sum(1) + model.line.bias
    torch.testing.assert_close(answer(model, [once]).logits[0], wanted)


def test_rare_words_weigh_more() -> None:
    model = made("tfidf")
    cat, dog = ("the", "cat", "cat"), ("the", "dog", "the")
    model.prepare([example(i, words=cat if i else dog) for i in range(10)])
    worded(model)
    counts = {"the": 10, "cat": 9, "dog": 1}
    for word, count in counts.items():
        weight = model.inverse[model.words[word] - 2]
        assert weight == pytest.approx(math.log(11 / (1 + count)) + 1)
    row = np.array(
        [2 * model.inverse[model.words["the"] - 2], model.inverse[model.words["dog"] - 2]]
    )
    row = torch.from_numpy(row / np.linalg.norm(row)).float() * 4
    wanted = model.line.weight[:, [model.words["the"], model.words["dog"]]] @ row + model.line.bias
    found = answer(model, [example(1, words=("the", "the", "dog", "new"))]).logits[0]
    torch.testing.assert_close(found, wanted)


def test_a_vocabulary_has_its_size_and_no_more() -> None:
    model = build("bag-of-words", {}, modalities={}, outputs=2, size=5)
    model.prepare([example(1, words=("e", "d", "c", "b", "a", "e"))])
    assert model.words == {"e": 2, "a": 3, "b": 4}
    assert answer(model, [example(1, words=("e", "d", "zzz"))]).logits.shape == (1, 2)


def test_a_model_of_pixels_says_that_it_has_none() -> None:
    model = made("late-concat-cnn")
    batch = replace(collate([example(1)], {}), pixels=None)
    with pytest.raises(ValueError, match="reads pixels"):
        model(batch)
