"""A pickle that says nothing but arrays, a reader that takes nothing else, labels that are known."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exported import video
from triptych.errors import InputError, UsageError
from triptych.extract.specs import BUILTIN
from triptych.share import read_mmsa
from triptych.share.mmsa import _PARTS, Mmsa

WAS_HERE = "triptych-was-here"


class Evil:
    """What a pickle can do: run a command when it is read."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {WAS_HERE}",)


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(UsageError) as info:
        read_mmsa(path)
    return str(info.value)


def test_a_pickle_that_names_anything_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pkl"
    assert "posix.system" in refused(path, pickle.dumps({"train": Evil()}))
    assert "numpy" in refused(path, pickle.dumps({"train": np.zeros(3)}))
    assert "builtins.getattr" in refused(path, b"cbuiltins\ngetattr\n.")
    assert "numpy.load" in refused(path, b"cnumpy\nload\n.")
    assert "splits" in refused(path, pickle.dumps([1]))
    refused(path, b"")
    refused(path, b"cnumpy\nndarray\n.")  # the array's maker itself
    objects = (np.ndarray, ((1,), "|O", bytearray(8)))
    assert "'|O'" in refused(path, reduced(objects))
    refused(path, reduced((np.ndarray, ((1 << 60,), "<f4", bytearray(8)))))
    refused(path, reduced((np.ndarray, ((-1,), "<f4", bytearray(8)))))
    # Nothing can be set on what stands for ndarray.
    refused(path, b"\x80\x02cnumpy\nndarray\nN}X\x08\x00\x00\x00__call__K\x01s\x86b.")
    assert not Path(WAS_HERE).exists()
    pickle.loads(pickle.dumps(Evil()))
    assert Path(WAS_HERE).exists(), "the file was harmless, so that nothing was shown"


def reduced(call: tuple[Any, tuple[Any, ...]]) -> bytes:
    """The pickle of an array that is made by this call."""

    class Made(pickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            return call if isinstance(obj, Evil) else NotImplemented

    buffer = io.BytesIO()
    Made(buffer, protocol=5).dump({"train": Evil()})
    return buffer.getvalue()


def test_what_is_written_names_ndarray_and_nothing_else(tmp_path: Path) -> None:
    """Then plain pickle, and numpy of any version, read it just as well."""
    (path,) = Mmsa().write([video("讲座.mp4", ("cat",)), video("b.mp4", ("dog",))], tmp_path)
    codes = [(code.name, argument) for code, argument, _ in pickletools.genops(path.read_bytes())]
    assert not {"GLOBAL", "INST", "OBJ", "BUILD", "EXT1", "PERSID"} & {name for name, _ in codes}
    (at,) = (i for i, (name, _) in enumerate(codes) if name == "STACK_GLOBAL")
    assert [a for _, a in codes[at - 4 : at] if isinstance(a, str)] == ["numpy", "ndarray"]
    plain, ours = pickle.loads(path.read_bytes()), read_mmsa(path)
    for split, part in ours.items():
        for name, value in part.items():
            np.testing.assert_array_equal(plain[split][name], value, strict=True)


def test_empty_splits_have_the_same_widths(tmp_path: Path) -> None:
    (path,) = Mmsa().write([video("a.mp4")], tmp_path)
    shapes = {split: part["vision"].shape for split, part in read_mmsa(path).items()}
    assert shapes == {"train": (1, 2, 2), "valid": (0, 2, 2), "test": (0, 2, 2)}


def test_a_file_that_is_not_there_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_mmsa(tmp_path / "no.pkl")


def labels_of(tmp_path: Path, *labels: tuple[str, ...]) -> dict[str, Any]:
    videos = [video(f"{i}.mp4", each) for i, each in enumerate(labels)]
    (path,) = Mmsa().write(videos, tmp_path)
    part = read_mmsa(path)["train"]
    return {k: v for k, v in part.items() if "label" in k or k == "annotations"}


def test_numbers_are_regressed_and_words_are_classes(tmp_path: Path) -> None:
    found = labels_of(tmp_path, ("-0.6",), ("1",))
    assert found["regression_labels"].dtype == np.float32
    np.testing.assert_array_equal(found["regression_labels"], np.float32([-0.6, 1]))
    assert "classification_labels" not in found
    found = labels_of(tmp_path, ("sad",), ("happy",), ("sad",))
    assert found["classification_labels"].tolist() == [1, 0, 1]
    assert found["annotations"] == ["sad", "happy", "sad"]
    assert "regression_labels" not in found


def test_labels_that_are_not_known_are_not_made_up(tmp_path: Path) -> None:
    assert labels_of(tmp_path, ("1",), ()) == {}
    assert labels_of(tmp_path, ("a",), ("nan",)).keys() == {"annotations", "classification_labels"}


def test_a_split_that_the_layout_does_not_know_is_named() -> None:
    assert Mmsa().unfit(video("a.mp4", split="holdout")) == "unknown split 'holdout'"
    assert Mmsa().unfit(video("a.mp4", split="Dev")) == ""


def test_every_track_of_the_built_in_extractors_has_a_place() -> None:
    """A new modality must be given a place in the layout mmsa."""
    assert {s.modality for e in BUILTIN.values() for s in e.specs} <= _PARTS.keys()
