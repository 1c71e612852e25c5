"""Errors say what, where and what to do; they cross process borders whole."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from triptych import errors
from triptych.errors import DecodeError, InputError, NotMediaError, ResourceError, TriptychError
from triptych.events import Stopwatch, stage

CLASSES = [getattr(errors, name) for name in errors.__all__]
BUILTINS = {
    "UsageError": ValueError,
    "InputError": OSError,
    "DecodeError": ValueError,
    "NotMediaError": ValueError,
    "WeightsError": LookupError,
    "OutputError": OSError,
    "ResourceError": OSError,
}


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_cross_process_borders_whole(cls: type[TriptychError]) -> None:
    err = cls("broken", path=Path("a") / "猫.mp4", remedy="mend it", stage="decode")
    for twin in (pickle.loads(pickle.dumps(err)), copy.copy(err)):
        assert type(twin) is cls
        assert (twin.message, twin.path, twin.remedy, twin.stage) == (
            "broken", str(Path("a") / "猫.mp4"), "mend it", "decode",
        )  # fmt: skip
        assert str(twin) == str(err)


@pytest.mark.parametrize("name", BUILTINS)
def test_each_is_also_of_a_builtin_kind(name: str) -> None:
    cls = getattr(errors, name)
    assert issubclass(cls, TriptychError) and issubclass(cls, BUILTINS[name])


def test_the_message_says_where_and_what_to_do() -> None:
    assert str(DecodeError("broken")) == "broken"
    assert str(DecodeError("broken", path="a.mp4")) == "a.mp4: broken"
    assert str(DecodeError("broken", path="a.mp4", remedy="mend it")) == "a.mp4: broken (mend it)"


def test_only_what_may_pass_later_is_retryable() -> None:
    assert [cls.__name__ for cls in CLASSES if cls.retryable] == ["ResourceError"]
    assert not issubclass(NotMediaError, ResourceError)


def test_a_stage_names_itself_and_the_file() -> None:
    with pytest.raises(DecodeError) as caught, stage("decode", "a.mp4"):
        raise DecodeError("broken")
    assert (caught.value.stage, caught.value.path) == ("decode", "a.mp4")
    assert caught.value.__notes__ == ["in stage 'decode' of a.mp4"]


def test_the_innermost_stage_and_the_first_path_win() -> None:
    with pytest.raises(InputError) as caught, stage("outer", "a.mp4"), stage("inner", "a.mp4"):
        raise InputError("broken", path="b.srt")
    assert (caught.value.stage, caught.value.path) == ("inner", "b.srt")


def test_foreign_errors_get_a_stage_too() -> None:
    with pytest.raises(KeyError) as caught, stage("image", "a.mp4"):
        raise KeyError("x")
    assert caught.value.stage == "image"  # type: ignore[attr-defined]


def test_time_is_kept_also_of_what_failed() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with pytest.raises(ValueError), stage("decode", "a.mp4", watch):
            raise ValueError
    with stage("fuse", "a.mp4", watch):
        pass
    assert watch.keys() == {"decode", "fuse"} and all(v >= 0 for v in watch.values())
    watch.add("fuse", 2.0)
    assert watch["fuse"] >= 2.0
