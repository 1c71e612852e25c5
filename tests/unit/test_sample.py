"""What a trained model reads of a video: tracks on steps, words, one small picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import synth
from triptych.fuse.sample import sample_of, words_of
from triptych.records import Thumbnails

NOTHING = Thumbnails(jpeg=(), pts_s=np.zeros(0))


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (80, 40)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, WORLD!\nfoo_bar  x2", ["hello", "world", "foo", "bar", "x2"]),
        ("don’t — l'été", ["don’t", "l'été"]),
        ("一只猫在睡觉。OK", ["一", "只", "猫", "在", "睡", "觉", "ok"]),
        ("ひらカタ 漢", ["ひ", "ら", "カ", "タ", "漢"]),
        ("한국어 좋아", ["한국어", "좋아"]),
        ("ＡＢＣ１", ["abc1"]),
        ("♪ … !?", []),
    ],
)
def test_words_are_split_as_they_are_written(text: str, words: list[str]) -> None:
    assert words_of([text]) == tuple(words)


@given(st.lists(st.text(), max_size=4))
def test_any_text_gives_words_without_blanks(texts: list[str]) -> None:
    words = words_of(texts)
    assert all(w and not any(c.isspace() for c in w) for w in words)
    assert words_of(words) == words


def test_only_tracks_with_evidence_that_models_know_are_kept() -> None:
    line = synth.timeline(
        {
            "image": (np.ones((3, 2)), [True, False, True]),
            "text": (np.ones((3, 2)), [False, False, False]),
            "image_labels": (np.ones((3, 2)), [True, True, True]),
        },
        start_s=8.3,
    )
    sample = sample_of(line, cues=[synth.cue(8, 9, "A cat")], thumbnails=NOTHING)
    assert list(sample.timeline.values) == ["image"]
    assert sample.timeline.present["image"].tolist() == [True, False, True]
    assert sample.words == ("a", "cat")
    assert sample.picture is None
    assert repr(sample) == "Sample(3 steps of image)"


def test_the_middle_picture_is_squeezed_into_a_square() -> None:
    pictures = (jpeg(synth.RED), jpeg(synth.GREEN), jpeg(synth.BLUE))
    line = synth.timeline({"image": (np.ones((3, 2)), [True] * 3)})
    shown = Thumbnails(jpeg=pictures, pts_s=np.arange(3.0))
    sample = sample_of(line, cues=[], thumbnails=shown)
    assert sample.picture is not None and sample.picture.shape == (64, 64, 3)
    assert np.abs(sample.picture.astype(int) - synth.GREEN).max() < 12
