"""The pages keep their word: blocks run, links lead somewhere, tables say what the code says."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from command import clip, environment
from labelled import KINDS, coloured
from pages import (
    CHINESE,
    ENGLISH,
    REPOSITORY,
    Block,
    anchors,
    blocks,
    code_in,
    links,
    pages,
    text_of,
)
from triptych.extract.weights import WEIGHTS
from triptych.inputs import find_sources
from triptych.learn.dataset import read_dataset

READMES = (ENGLISH, CHINESE)
RUN = ("bash", "python")
LEARNED = ("cat", "dog")
MODEL_FILES = ("model.safetensors", "config.json", "labels.json")
ALL = [b for page in pages() for b in blocks(page)]
TOUR, _, TRAINING = [b for b in ALL if b.page == ENGLISH and b.kind == "bash" and not b.why]


def named(block: Block) -> str:
    return f"{block.page}:{block.number}-{block.kind}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder as the pages assume it: ~/Videos, a talk, and labelled clips to learn from.

    With the demo's clips where they are here (`make demo` fetches them), else with made ones; the
    labelled clips are made in any case.
    """
    folder = tmp_path_factory.mktemp("home")
    wanted = {"Videos/bunny.mp4": "bigbuckbunny.mp4", "talk.mp4": "obama_speech.mp4"}
    for seed, (name, real) in enumerate(wanted.items()):
        source = REPOSITORY / "demo" / "media" / real
        (folder / name).parent.mkdir(exist_ok=True)
        if source.is_file():
            shutil.copyfile(source, folder / name)
        else:
            clip(folder / name, seed=seed, seconds=4.0)
    for label, kind in zip(LEARNED, KINDS, strict=True):
        for i in range(5):
            coloured(folder / "clips" / label / f"{i}.mp4", kind, seed=i)
        coloured(folder / "newer" / label / "new.mp4", kind, seed=50)
    return folder


def run_block(block: Block, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a reader would, in `home`."""
    script = home / f"block.{'sh' if block.kind == 'bash' else 'py'}"
    script.write_text(block.code, encoding="utf-8")
    program = ["bash", "-euo", "pipefail"] if block.kind == "bash" else [sys.executable]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(
        [*program, str(script)],
        cwd=home,
        env=environment() | {"HOME": str(home), "PATH": path},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


@pytest.mark.needs("embedded", "asr")
@pytest.mark.parametrize(
    "block",
    [b for b in ALL if b.kind in RUN and not b.why and b not in (TOUR, TRAINING)],
    ids=named,
)
def test_blocks_run(block: Block, home: Path) -> None:
    result = run_block(block, home)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.needs("embedded", "asr")
def test_the_tour_keeps_its_word(home: Path) -> None:
    out = home / "out"
    shutil.rmtree(out, ignore_errors=True)
    result = run_block(TOUR, home)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "nothing was decoded" in result.stdout, "the second run decoded something"
    # The last run into this folder asked for other words.
    assert json.loads((out / "summary.json").read_text("utf-8"))["frames_decoded"] == 0
    for name in ("report.html", "storyboard.jpg", "highlights.mp4", "summary.md", "analysis.json"):
        assert (out / "bunny.mp4" / name).is_file()
        assert f"`{name}`" in text_of(ENGLISH)
    for name in ("predictions.csv", "run.jsonl", "summary.json", "index.html"):
        assert (out / name).is_file()
        assert f"`{name}`" in text_of(ENGLISH)
    with (out / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file))
    assert f"`{','.join(header[:6])},...`" in text_of(ENGLISH)


@pytest.mark.needs("embedded", "asr")
def test_training_keeps_its_word(home: Path) -> None:
    result = run_block(TRAINING, home)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("accuracy of model less that of simple") == 1
    page = text_of(ENGLISH)
    for name in ("report.html", "README.md", "metrics.json", *MODEL_FILES):
        assert (home / "model" / name).is_file()
        assert f"`{name}`" in page
    schema = text_of("docs/schema.md")
    for name in ("metrics.json", "config.json", "labels.json"):
        written = json.loads((home / "model" / name).read_text("utf-8"))
        assert [k for k in written if not re.search(rf"`{k}(\[\])*`", schema)] == [], name
    pictures = {path.stem for path in (home / "model" / "plots").iterdir()}
    assert pictures == {"confusion", "reliability", "ablation", "curves"}
    found = json.loads((home / "out3" / "bunny.mp4" / "analysis.json").read_text("utf-8"))
    assert found["timeline"]["method"] == "model"
    assert {score["label"] for score in found["labels"]} == set(LEARNED)


@pytest.mark.parametrize("page", READMES)
def test_the_manifest_shown_can_be_read(page: str, tmp_path: Path) -> None:
    (block,) = [b for b in blocks(page) if b.kind == "text" and b.code.startswith("path,")]
    manifest = tmp_path / "clips.csv"
    manifest.write_text(block.code, encoding="utf-8")
    items = read_dataset(find_sources([manifest], out=tmp_path / "model")).items
    assert len(items) == block.code.count("\n") - 1
    assert all(item.labels and item.group for item in items)
    assert {item.split for item in items} == {"train", "test"}
    assert any(item.source.end_s for item in items)


def test_every_block_is_run_or_says_why_not() -> None:
    assert {b.kind for b in ALL} <= {*RUN, "text", "mermaid", ""}, "this kind would never be run"
    assert [b.why for b in ALL if b.why] == [
        "sets up an environment",
        "needs a network",
        "needs a network",
    ] * 2


def help_of(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "triptych", *command, "--help"],
        env=environment() | {"COLUMNS": "100"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout


def plain_help(text: str) -> str:
    """Help without line breaks, with options written as Python 3.13 writes them."""
    words = " ".join(text.split())
    return re.sub(r"(-\w) ([A-Z]+), (--\w+) \2", r"\1, \3 \2", words)


def test_the_help_block_is_the_programs_own() -> None:
    found = re.search(
        r"<!-- help -->\n```text\n(.*?)```\n<!-- /help -->", text_of(ENGLISH), re.DOTALL
    )
    assert found, "README.md has no help block"
    wanted = help_of("run")
    assert plain_help(found[1]) == plain_help(wanted), (
        f"put this between the help markers of README.md:\n{wanted}"
    )


def test_exit_codes_are_those_of_the_program() -> None:
    listed = help_of().partition("exit codes:")[2]
    codes = re.sub(r"\(.*?\)", "", " ".join(listed.split())).split(";")
    assert len(codes) == 5
    page = " ".join(text_of(ENGLISH).split())
    assert [c for c in codes if c.strip() not in page] == []


def test_the_table_of_weights_is_that_of_the_code() -> None:
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in text_of(ENGLISH).splitlines()
        if line.startswith("|") and line.count("|") == 6
    ]
    said = {row[1]: row[2:] for row in rows[2:]}
    said.pop("none")
    assert said.keys() == WEIGHTS.keys()
    for name, (licence, megabytes, extra) in said.items():
        weights = WEIGHTS[name]
        assert (licence, megabytes) == (weights.licence, str(weights.megabytes))
        assert weights.extra in extra.split(",")


def test_both_readmes_name_the_same_commands() -> None:
    commands = {
        page: {
            *re.findall(r"^(?:make|triptych) [a-z]+", code_in(page), re.MULTILINE),
            *re.findall(
                r"(?<!\S)--?[a-z]+", "\n".join(b.code for b in blocks(page) if b.kind == "bash")
            ),
        }
        for page in READMES
    }
    assert commands[ENGLISH] == commands[CHINESE]
    assert {"make demo", "make test", "triptych run"} <= commands[ENGLISH]


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: str) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        known = anchors(target) if anchor and target.is_file() else set()
        if not target.exists() or (anchor and anchor not in known):
            broken.append(link)
    assert broken == []


def test_pictures_are_small_and_shown() -> None:
    files = sorted((REPOSITORY / "docs" / "images").iterdir())
    shown = {((REPOSITORY / p).parent / link).resolve() for p in pages() for link in links(p)}
    assert files
    for file in files:
        assert file.resolve() in shown, f"no page shows {file.name}"
        assert file.stat().st_size < 200_000
        with Image.open(file) as picture:
            picture.verify()
