"""The table of photographs is what it says, and a file that is not there or another one is named."""

from __future__ import annotations

import hashlib
import importlib
import io
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"

pytestmark = pytest.mark.needs("embedded")


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("extract_photos")


def package(path: Path, member: str, content: bytes) -> None:
    with tarfile.open(path, "w:gz") as out:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        out.addfile(entry, io.BytesIO(content))


def test_the_halves_follow_from_the_files_and_no_word_stands_twice(study: ModuleType) -> None:
    rows = study.listed()
    assert len(rows) == 99
    for row in rows:
        assert row.half == ("asked" if int(row.sha256[-1], 16) % 2 else "tuning")
    for column in ("sha256", "en", "zh"):
        assert len({getattr(row, column) for row in rows}) == len(rows)


def test_a_photograph_is_read_out_of_its_package_or_named(
    study: ModuleType, tmp_path: Path
) -> None:
    right = hashlib.sha256(b"a cat").hexdigest()
    row = study.Photo(
        "cats@1.0.0", "cats-1.0.0.tgz", "package/cat.jpg", right, "asked", "cat", "猫"
    )
    with pytest.raises(SystemExit, match=r"cats-1\.0\.0\.tgz is missing \(cats@1\.0\.0\)"):
        list(study.contents([row], tmp_path))
    package(tmp_path / row.file, "package/dog.jpg", b"a dog")
    with pytest.raises(SystemExit, match=r"has no package/cat\.jpg"):
        list(study.contents([row], tmp_path))
    package(tmp_path / row.file, row.path, b"another cat")
    with pytest.raises(SystemExit, match=r"package/cat\.jpg is another file"):
        list(study.contents([row], tmp_path))
    package(tmp_path / row.file, row.path, b"a cat")
    assert list(study.contents([row], tmp_path)) == [(row, b"a cat")]
