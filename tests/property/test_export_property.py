"""Laws of exports: keys are safe, segments cover a film, and no bytes make a reader do things."""

from __future__ import annotations

import contextlib
import pickle

import h5py
import numpy as np
import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from exported import video
from triptych.errors import UsageError
from triptych.share import read_mmsa
from triptych.share.collect import safe_key
from triptych.share.vsumm import Vsumm


@given(st.lists(st.text(min_size=1), unique=True, max_size=6))
def test_keys_are_safe_and_different(names: list[str]) -> None:
    keys = [safe_key(name) for name in names]
    assert len({key.casefold() for key in keys}) == len(names)
    for key in keys:
        assert not set(key) & set('./\\:*?"<>| \0\n{}') and not key.startswith(("-", "_"))
        assert len(f"{key}.image_labels.npy".encode()) <= 100
        assert webdataset.tariterators.base_plus_ext(f"{key}.x.npy") == (key, "x.npy")


def test_names_that_are_no_unicode_have_keys() -> None:
    assert safe_key("\udcff.mp4") != safe_key("\udcfe.mp4")


@given(
    fps=st.floats(0.5, 240),
    duration_s=st.floats(0.01, 500),
    cuts=st.lists(st.floats(0, 500), max_size=8),
    origin_s=st.floats(-5, 100),
)
def test_segments_cover_all_frames_once(
    tmp_path_factory: pytest.TempPathFactory,
    fps: float,
    duration_s: float,
    cuts: list[float],
    origin_s: float,
) -> None:
    made = video(
        "a.mp4",
        source={"media": {"fps": fps}, "duration_s": duration_s},
        timeline={"start_s": [origin_s]},
        shots=[{"start_s": origin_s + cut} for cut in sorted(cuts)],
    )
    (path,) = Vsumm().write([made], tmp_path_factory.getbasetemp() / "segments")
    with h5py.File(path) as file:
        group = {name: value[()] for name, value in file[made.key].items()}
    frames = [f for a, b in group["change_points"] for f in range(a, b + 1)]
    assert frames == list(range(group["n_frames"]))
    assert (group["n_frame_per_seg"] == np.diff(group["change_points"], axis=1)[:, 0] + 1).all()
    assert (group["n_frame_per_seg"] > 0).all()
    assert (0 <= group["picks"]).all() and (group["picks"] < group["n_frames"]).all()
    assert (np.diff(group["picks"]) >= 0).all()


def test_sound_alone_has_no_frames_to_count() -> None:
    made = video("a.wav", source={"media": {"fps": None}})
    assert "frame rate is not known" in Vsumm().unfit(made)


@given(st.data())
def test_no_bytes_do_more_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pkl"
    content = bytearray(pickle.dumps({"train": [1, "x"], "valid": {}, "test": {}}, protocol=5))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(UsageError):
        assert read_mmsa(path).keys() == {"train", "valid", "test"}
