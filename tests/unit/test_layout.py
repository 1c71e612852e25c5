"""The layout of the repository: what a reader and a packager may rely on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = {"pipeline": "triptych", "models": "triptych_models"}
FLOW = [
    "decode", "extract", "features", "fuse", "learn", "predict", "report", "search", "share",
    "unpack",
]  # fmt: skip
NOT_OURS = {"__pycache__", ".ipynb_checkpoints", "media", "out"}
HIDDEN_BUT_OURS = {".ci", ".gitignore", ".gitattributes"}
NOT_SOURCE = {"build", "dist", "htmlcov"}


def our_files() -> Iterator[Path]:
    """Every file that belongs to the repository, without asking git."""

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.name in NOT_OURS or path.is_symlink():
                continue
            if path.is_dir():
                yield from walk(path)
            elif path.is_file():
                yield path

    for path in sorted(REPOSITORY.iterdir()):
        hidden = path.name.startswith(".") and path.name not in HIDDEN_BUT_OURS
        if hidden or path.name in NOT_SOURCE | NOT_OURS or path.is_symlink():
            continue
        if path.is_dir():
            yield from walk(path)
        else:
            yield path


def folders(parent: Path) -> list[str]:
    return sorted(p.name for p in parent.iterdir() if p.is_dir() and p.name not in NOT_OURS)


@pytest.mark.parametrize(("root", "package"), SOURCE_ROOTS.items())
def test_a_source_root_holds_one_package_and_no_stray_modules(root: str, package: str) -> None:
    assert folders(REPOSITORY / root) == [package]
    assert (REPOSITORY / root / package / "__init__.py").is_file()
    assert sorted((REPOSITORY / root).glob("*.py")) == []


def test_a_plain_listing_shows_the_data_flow() -> None:
    found = folders(REPOSITORY / "pipeline" / "triptych")
    assert found == [name for name in FLOW if name in found]


def test_every_stage_is_a_package_with_a_docstring() -> None:
    for name in folders(REPOSITORY / "pipeline" / "triptych"):
        page = REPOSITORY / "pipeline" / "triptych" / name / "__init__.py"
        assert page.is_file(), f"{name}/ has no __init__.py"
        assert page.read_text(encoding="utf-8").startswith('"""'), f"{name}/ says nothing of itself"


def test_files_stay_short_enough_to_read() -> None:
    long = {}
    for path in our_files():
        if path.suffix == ".py":
            num_lines = len(path.read_text(encoding="utf-8").splitlines())
            if num_lines > 400:
                long[str(path.relative_to(REPOSITORY))] = num_lines
    assert long == {}


# In parts, so that this file does not find itself.
FORBIDDEN = re.compile(
    r"(?:py|test\.py)pi\." + r"(?:org|python)|files\.python" + r"hosted"
    r"|registry\.npm" + r"js|--(?:extra-)?index" + r"-url|file" + r":///"
    r"|(?<![\w.:/~-])/(?:root|work|home/\w+|Users/\w+|opt|mnt|tmp/lab)/"
)


@pytest.mark.parametrize(
    "text",
    [
        "at https://py" + "pi.org/simple",
        "--index" + "-url x",
        "open('/ro" + "ot/x')",
        "/ho" + "me/ann/x",
    ],
)
def test_the_search_for_hosts_and_paths_finds_them(text: str) -> None:
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize("text", ["../shared/data", "tests/work/x", "a.org/home/page", "~/opt/x"])
def test_the_search_for_hosts_and_paths_spares_others(text: str) -> None:
    assert not FORBIDDEN.search(text)


def test_no_registry_hosts_and_no_paths_of_one_machine() -> None:
    found = []
    for path in our_files():
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if FORBIDDEN.search(line):
                found.append(f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:120]}")
    assert found == []
