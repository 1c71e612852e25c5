"""Speech recognition by a model of the user's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import synth
from conftest import SHARED_DATA
from triptych.config import ExtractConfig, load_config
from triptych.decode import open_media
from triptych.errors import WeightsError
from triptych.extract.asr import SpeechRecognizer
from triptych.extract.drive import pump
from triptych.extract.fetching import wanted_files
from triptych.extract.weights import find_weights, read_weights
from triptych.extract.whisper import find_whisper, own_whisper
from triptych.features.words import word_recipe
from triptych.prepare import what_is_missing

pytestmark = pytest.mark.needs("embedded", "asr")

SPOKEN = SHARED_DATA / "grid_s1" / "video" / "bbaz4n.mpg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged weights, laid out as a model of one's own."""
    made = tmp_path_factory.mktemp("语音") / "whisper"
    made.mkdir()
    (made / "model.bin").write_bytes(read_weights("whisper-base"))
    packaged = find_weights("whisper-base")[1].parent
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        shutil.copyfile(packaged / name, made / name)
    return made


@pytest.mark.needs("shared")
def test_the_same_weights_hear_the_same(folder: Path) -> None:
    cues = []
    for model in ("", str(folder)):
        with open_media(SPOKEN) as media:
            hearing = {"asr": SpeechRecognizer("en", model=model)}
            cues.append(pump(media, hearing)["asr"])
    assert cues[0] and cues[0] == cues[1]


def test_a_model_is_loaded_once_and_hears_no_words_in_silence(folder: Path) -> None:
    coroutine = SpeechRecognizer(model=str(folder))()
    next(coroutine)
    coroutine.send(synth.sounds(np.zeros(16_000, np.float32), 16_000)[0])
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value == {"asr": ()}
    assert own_whisper(str(folder)) is own_whisper(str(folder))


def test_keys_follow_the_weights_and_those_of_the_packaged_stay(folder: Path) -> None:
    usual = word_recipe("asr", ExtractConfig())
    assert usual.keys() == {"version", "weights", "language"}
    own = word_recipe("asr", ExtractConfig(asr_model=str(folder)))
    assert own["weights"] == usual["weights"] and own != usual  # one file in two parts is the same


@pytest.mark.parametrize("gone", ["config.json", "tokenizer.json"])
def test_what_is_missing_is_named_and_not_downloaded(gone: str, tmp_path: Path) -> None:
    for name in {"model.bin", "config.json", "tokenizer.json"} - {gone}:
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(WeightsError, match=f"{gone} is missing"):
        find_whisper(str(tmp_path))


def test_a_run_is_refused_before_it_begins(tmp_path: Path) -> None:
    config = load_config(assignments=(f"extract.asr_model={tmp_path / 'none'}",))
    with pytest.raises(WeightsError, match="is nowhere"):
        list(what_is_missing(config))


def test_a_damaged_model_is_named(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "damaged"
    shutil.copytree(folder, copy)
    (copy / "model.bin").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        own_whisper(str(copy))


def test_its_weights_are_fetched() -> None:
    names = ["README.md", "config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
    assert wanted_files(names) == names


KILLED = """
import multiprocessing, os, signal, sys

def hear():
    import numpy as np
    from triptych.extract.whisper import whisper
    noise = np.random.default_rng(0).normal(size=16_000).astype(np.float32)
    list(whisper().transcribe(noise / 10, language="en", beam_size=1, temperature=0.0)[0])
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=hear)
    child.start()
    child.join()
    print(child.exitcode)
"""


def test_a_listener_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "-9\n"
    assert "leaked" not in done.stderr
