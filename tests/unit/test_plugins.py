"""Extractors of other packages: real wheels, installed into a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from command import COMMAND, clip, environment

#: Distribution -> its entry points, and its module.
PACKAGES = {
    "triptych-tint": (
        {"brightness": "tint:BRIGHTNESS", "tint": "tint:TINT"},
        """
        from triptych.extract.families import Family
        from triptych.extract.sources import find_source
        from triptych.extract.specs import Entry
        from triptych.spec import Spec

        BRIGHT = Spec(name="brightness", version=1, modality="image", dim=1)
        BRIGHTNESS = Entry(
            name="brightness", target="tint_extractor:Brightness", specs=(BRIGHT,), what="light"
        )

        def describe(given):
            source = find_source(given)
            spec = Spec(name="tint", version=1, modality="image", dim=3, weights=source.sha256)
            return Entry(
                name="tint", target="tint_extractor:Tint", specs=(spec,), what="x", source=source
            )

        TINT = Family(
            name="tint", what="colours by a matrix", describe=describe,
            tracks={"tint": "image"}, examples=("/models/tint.npy",), extra="",
        )
        """,
    ),
    "triptych-broken": ({"broken": "tint_broken:NOTHING"}, "raise RuntimeError('no such luck')"),
    "triptych-thief": ({"stolen": "tint_thief:STOLEN"}, "STOLEN = 3"),
}
EXTRACTORS = """
    import numpy as np

    from tint import BRIGHT, describe
    from triptych.extract.image import frame_spans
    from triptych.records import FeatureTrack, Frames

    class Brightness:
        takes = (Frames,)
        spec = BRIGHT
        matrix = np.full((3, 1), 1 / 3, np.float32)

        def __call__(self, *, step_s=1.0):
            rows, times = [np.zeros((0, self.spec.dim), np.float32)], []
            while (frames := (yield)) is not None:
                rows.append(frames.rgb.mean(axis=(1, 2)).astype(np.float32) @ self.matrix)
                times.append(frames.pts_s)
            start_s, end_s = frame_spans(times)
            values = np.concatenate(rows)
            track = FeatureTrack(values=values, start_s=start_s, end_s=end_s, spec=self.spec)
            return {self.spec.name: track}

    class Tint(Brightness):
        def __init__(self, source):
            source.check()
            self.matrix = np.load(source.files[0], allow_pickle=False)
            (self.spec,) = describe(source.given).specs
"""
MODULES = {
    "triptych-tint": "tint",
    "triptych-broken": "tint_broken",
    "triptych-thief": "tint_thief",
}


def wheel(root: Path, distribution: str) -> Path:
    """Build a package as its author would."""
    points, code = PACKAGES[distribution]
    project = root / distribution
    project.mkdir()
    modules = {MODULES[distribution]: code}
    if distribution == "triptych-tint":
        modules["tint_extractor"] = EXTRACTORS
    for name, text in modules.items():
        (project / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    lines = "\n".join(f'{name} = "{value}"' for name, value in points.items())
    included = ", ".join(f'"{name}.py"' for name in modules)
    (project / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "{distribution}"\nversion = "1.5"\n'
        f'[project.entry-points."triptych.extractors"]\n{lines}\n'
        f"[tool.hatch.build.targets.wheel]\ninclude = [{included}]\n",
        encoding="utf-8",
    )
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(root)]
    subprocess.run(hatchling, cwd=project, check=True, capture_output=True)
    (built,) = root.glob(f"{distribution.replace('-', '_')}-1.5-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all three packages in it."""
    root = tmp_path_factory.mktemp("packages")
    wheels = [str(wheel(root, name)) for name in PACKAGES]
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "-q"]
    said = subprocess.run(
        [*pip, "--target", str(root / "site"), *wheels],
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    assert said.returncode == 0, said.stderr
    return root / "site"


def triptych(installed: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join([str(installed), *filter(None, sys.path)])
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env=env,
        check=False,
    )


def test_what_packages_bring_is_listed_and_a_broken_one_is_named(installed: Path) -> None:
    said = triptych(installed, "models", "--json")
    rows: dict[str, Any] = {r["id"]: r for r in json.loads(said.stdout) if "package" in r}
    assert rows.keys() == {"brightness", "broken", "stolen", "tint"}
    assert rows["brightness"]["package"] == rows["tint"]["package"] == "triptych-tint 1.5"
    assert (rows["brightness"]["kind"], rows["tint"]["kind"]) == ("extractor", "family")
    assert rows["brightness"]["tracks"] == {"brightness": 1} and rows["tint"]["present"]
    assert not rows["broken"]["present"] and not rows["stolen"]["present"]
    wrong = "the package triptych-broken 1.5 cannot be imported: RuntimeError: no such luck"
    assert wrong in rows["broken"]["what"]
    assert "triptych-thief 1.5 offers 'stolen', which is no Entry" in rows["stolen"]["what"]
    assert "of triptych-broken 1.5" in triptych(installed, "models").stdout


def test_they_run_like_the_built_ins_beside_a_broken_one(installed: Path, tmp_path: Path) -> None:
    import numpy as np

    clip(tmp_path / "in" / "film.mp4", sound=False)
    model = tmp_path / "颜色.npy"
    np.save(model, np.eye(3, dtype=np.float32))
    preset = tmp_path / "mine.toml"
    preset.write_text('extractors = ["brightness", "shots"]')
    run = ("run", tmp_path / "in", "-o", tmp_path / "out", "--preset", preset, "--asr", "never")
    run += ("--format", "json", "--extract", f"tint={model}")
    said = triptych(installed, *run)
    assert said.returncode == 0, said.stderr
    analysis = json.loads((tmp_path / "out" / "film.mp4" / "analysis.json").read_text("utf-8"))
    dims = {track["name"]: track["dim"] for track in analysis["tracks"]}
    assert (dims["brightness"], dims["tint"]) == (1, 3)
    assert analysis["config"]["extract"]["add"] == [f"tint={model}"]
    sources = {name: each["source"] for name, each in analysis["weights"].items()}
    assert sources["tint"] == {"kind": "path", "path": str(model)}
    assert sources["brightness"] is None
    again = triptych(installed, *run, "--json")
    assert json.loads(again.stdout)["states"]["cached"] == 1
    np.save(model, 2 * np.eye(3, dtype=np.float32))  # another model of the same name
    assert json.loads(triptych(installed, *run, "--json").stdout)["states"]["done"] == 1


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("broken", "'broken' of the package triptych-broken 1.5 cannot be imported"),
        ("tint", "'tint' does not say with which model (write tint=MODEL"),
        ("tint=/models/gone.npy", "the model '/models/gone.npy' is nowhere"),
        ("tint=a/b,tint=a/c", "one model of a kind can be used at a time"),
        ("motoin", "no extractor 'motoin' (there are image"),
    ],
)
def test_a_wrong_choice_ends_the_run_before_it_begins(
    installed: Path, tmp_path: Path, item: str, said: str
) -> None:
    film = clip(tmp_path / "film.mp4", sound=False)
    done = triptych(installed, "run", film, "-o", tmp_path / "out", "--extract", item)
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "out").exists()
