"""The head adds evidence up, learns what matters, and drops the same channels at all steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from toys import MODALITIES, SHORT, TRACKS, answer, example, lively, small
from triptych_models.baselines import build
from triptych_models.batches import Example
from triptych_models.heads import EvidenceHead, SharedDropout
from triptych_models.train import fit

pytestmark = pytest.mark.usefixtures("one_thread")


def head() -> EvidenceHead:
    made = EvidenceHead(TRACKS, MODALITIES, width=4, outputs=2, dropout=0.5, context=0.25)
    for name, weights in made.named_parameters():
        if name != "context":
            torch.nn.init.normal_(weights, generator=torch.Generator().manual_seed(weights.numel()))
    return made.eval()


def inputs(
    videos: int = 2, steps: int = 3
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    features = {t: torch.randn(videos, steps, d, generator=generator) for t, d in TRACKS.items()}
    names = sorted(set(MODALITIES.values()))
    return features, {m: torch.randn(videos, steps, 4, generator=generator) for m in names}


def test_evidence_is_what_steps_say_times_their_share() -> None:
    made, (features, tokens) = head(), inputs()
    present = {m: torch.tensor([[1, 1, 0], [0, 1, 0]]).bool() for m in tokens}
    features = {t: v * present[MODALITIES[t]][..., None] for t, v in features.items()}
    found = made(features, tokens, present)
    for modality, token in tokens.items():
        said = made.deep[modality](token)
        for track in TRACKS:
            if MODALITIES[track] == modality:
                said = said + made.wide[track](features[track])
        weights = made.weigh[modality](token)[..., 0]
        weights = weights.masked_fill(~present[modality], -torch.inf).softmax(1)
        wanted = said * weights[..., None]
        torch.testing.assert_close(found.evidence[modality], wanted)
        torch.testing.assert_close(found.parts[modality], wanted.sum(1))
    whole = sum(found.parts.values())
    torch.testing.assert_close(found.logits, made.bias + whole)
    # A step that nothing was present at knows no more than its video.
    torch.testing.assert_close(found.steps[0, 2], made.bias + 0.25 * whole[0])


def test_a_step_that_stands_out_decides_alone_and_overflows_nothing() -> None:
    made, (features, tokens) = head(), inputs()
    present = {m: torch.ones(2, 3).bool() for m in tokens}
    tokens = {m: t * 1e4 for m, t in tokens.items()}
    found = made(features, tokens, present)
    assert found.logits.isfinite().all()
    for modality, token in tokens.items():
        first = made.weigh[modality](token)[..., 0].argmax(1)
        shown = found.evidence[modality].abs().sum(-1) > 0
        assert shown.sum(1).tolist() == [1, 1] and shown[[0, 1], first].all()


def test_nothing_present_gives_finite_gradients() -> None:
    made, (features, tokens) = head(), inputs()
    nothing = {m: torch.zeros(2, 3).bool() for m in tokens}
    features = {t: torch.zeros_like(v) for t, v in features.items()}
    found = made(features, tokens, nothing)
    assert torch.equal(found.logits, made.bias.expand(2, -1))
    (found.logits.sum() + found.steps.sum() + found.importance.sum()).backward()
    for name, weights in made.named_parameters():
        assert weights.grad is None or weights.grad.isfinite().all(), name


def test_a_new_head_weighs_steps_evenly_and_trusts_no_feature() -> None:
    made = small(dropout=0.0).eval()
    found = answer(made, [example(1, steps=4, share=1.0)])
    assert (found.importance == found.importance[0, 0]).all()
    for line in made.head.wide.values():
        assert not line.weight.any()


def test_importance_is_learned_from_what_people_judged() -> None:
    """Steps of loud sound matter; what people did not judge is no lesson."""

    def judged(seed: int) -> Example:
        video = example(seed, steps=12, tracks=sound, share=1.0, target=0)
        loud = video.values["audio"][:, 0] > 0
        marks = np.where(loud, 0.9, 0.1).astype(np.float32)
        marks[::5] = np.nan
        return replace(video, importance=marks if seed % 4 else None)

    sound, made = {"audio": 5}, small({"audio": 5})
    fit(
        made,
        [judged(i) for i in range(48)],
        task="single",
        modalities=MODALITIES,
        recipe=replace(SHORT, epochs=24),
    )
    videos = [example(500 + i, steps=12, tracks=sound, share=1.0) for i in range(20)]
    said = torch.sigmoid(answer(made, videos).importance).numpy()
    loud = np.stack([v.values["audio"][:, 0] for v in videos])
    assert said[loud > 0.3].mean() > 0.6 and said[loud < -0.3].mean() < 0.4
    assert ((said > 0.5) == (loud > 0))[np.abs(loud) > 0.3].mean() > 0.85


@pytest.mark.parametrize("model_type", ["fusion", "linear"])
def test_modalities_that_are_weighed_count_that_much(model_type: str) -> None:
    made = lively(build(model_type, TRACKS, modalities=MODALITIES, outputs=3))
    videos = [example(i, share=0.7) for i in range(4)]
    before = answer(made, videos)
    weights = {m: 0.25 * i for i, m in enumerate(sorted(before.parts))}
    made.weigh_modalities(weights)
    after = answer(made, videos)
    bias = before.logits - sum(before.parts.values())
    for modality, part in before.parts.items():
        torch.testing.assert_close(after.parts[modality], weights[modality] * part)
    torch.testing.assert_close(after.logits, bias + sum(after.parts.values()))
    torch.testing.assert_close(after.evidence["text"], weights["text"] * before.evidence["text"])


def test_dropout_is_off_when_not_training() -> None:
    layer, x = SharedDropout(0.7).eval(), torch.randn(3, 5, 8)
    assert layer(x) is x
    assert SharedDropout(0.0).train()(x) is x


def test_dropout_drops_a_channel_at_all_steps_of_a_video() -> None:
    torch.manual_seed(0)
    dropped = SharedDropout(0.5).train()(torch.ones(50, 7, 20))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert (dropped == dropped[:, :1]).all()
    assert (dropped[:, 0] != dropped[:1, 0]).any(1)[1:].all()  # videos differ


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_expectation(share: float) -> None:
    torch.manual_seed(0)
    dropped = SharedDropout(share).train()(torch.full((4000, 2, 10), 3.0))
    assert float(dropped.mean()) == pytest.approx(3.0, rel=0.05)
    assert float((dropped == 0).float().mean()) == pytest.approx(share, abs=0.02)


def test_a_model_that_is_not_training_says_the_same_twice() -> None:
    made = lively(small())
    first, again = (answer(made, [example(1)]).logits for _ in range(2))
    made.train()
    torch.manual_seed(0)
    rough = answer(made, [example(1)]).logits
    assert torch.equal(first, again) and not torch.equal(first, rough)
