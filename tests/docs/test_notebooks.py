"""Every notebook runs from top to bottom, and is kept without outputs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
DEMO_CLIPS = REPOSITORY / "demo" / "media"


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout to run in, so that nothing is left in the real one."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    (tmp_path / "checkout" / "notebooks").mkdir(parents=True)
    return tmp_path / "checkout"


def executed(notebook: Any, checkout: Path) -> list[Any]:
    """Run the cells; all their outputs."""
    from nbclient import NotebookClient

    here = checkout / "notebooks"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(here)}}).execute()
    assert list(here.iterdir()) == [], "the notebook left files behind"
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert [o for o in outputs if o.output_type == "error"] == []
    assert [o.text for o in outputs if o.get("name") == "stderr"] == [], "a reader would see these"
    return outputs


@pytest.mark.needs("embedded", "asr")
@pytest.mark.filterwarnings("default")  # what Jupyter's own packages warn of is not ours to mend
class TestRuns:
    @pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
    def test_from_top_to_bottom(self, path: Path, checkout: Path) -> None:
        import nbformat

        if DEMO_CLIPS.is_dir():  # else the notebooks make clips
            shutil.copytree(DEMO_CLIPS, checkout / "demo" / "media")
        outputs = executed(nbformat.read(path, as_version=4), checkout)
        assert any("image/png" in o.get("data", {}) for o in outputs), "nothing was drawn"

    @pytest.mark.parametrize(
        ("name", "call", "says"),
        [
            ("01_quickstart.ipynb", "triptych.analyze(", ("using a clip made just now", "mpeg4")),
            (
                "02_train_your_own.ipynb",
                "triptych.train(",
                ("using three made just now", "12 of 12 windows used"),
            ),
        ],
    )
    def test_it_starts_without_the_demo_clips(
        self, name: str, call: str, says: tuple[str, ...], checkout: Path
    ) -> None:
        import nbformat

        notebook = nbformat.read(REPOSITORY / "notebooks" / name, as_version=4)
        upto = next(i for i, c in enumerate(notebook.cells) if call in c.source)
        notebook.cells = notebook.cells[: upto + 1]
        said = "".join(o.get("text", "") for o in executed(notebook, checkout))
        for words in says:
            assert words in said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_is_kept_without_outputs(path: Path) -> None:
    import nbformat

    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
