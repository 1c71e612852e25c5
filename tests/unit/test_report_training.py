"""The card and the page of a model: what they say, and that nothing in them can do harm."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from analysis_factory import NASTY
from browser import document_of
from metrics_factory import HOSTILE, LABELS, good_metrics, make_metrics
from triptych.errors import OutputError
from triptych.report.limits import lede, limits
from triptych.report.plots import PLOTS
from triptych.report.training import write_training_report


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder as `write_training_report` leaves it, written once for all tests."""
    folder = tmp_path_factory.mktemp("models") / "clips-fusion"
    write_training_report(folder, make_metrics())
    return folder


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without matplotlib; what is not about pictures is tested much faster there."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


quick = pytest.mark.usefixtures("no_pictures")


def read(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def card(folder: Path, metrics: dict[str, Any]) -> str:
    write_training_report(folder, metrics)
    return read(folder, "README.md")


def page(folder: Path, metrics: dict[str, Any]) -> str:
    write_training_report(folder, metrics)
    return read(folder, "report.html")


def visible(text: str) -> str:
    """The words of a page, tags and style taken out."""
    body = text[text.index("<body>") : text.rindex("<script>")]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def front_matter(text: str) -> dict[str, Any]:
    opening, matter, _ = text.split("---\n", 2)
    assert opening == ""
    data: dict[str, Any] = yaml.safe_load(matter)
    return data


def columns(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


# Files


def test_files_are_written_whole_and_named(tmp_path: Path) -> None:
    outputs = write_training_report(tmp_path / "new" / "model", good_metrics())
    assert outputs == {
        "card": "README.md",
        "html": "report.html",
        "confusion": "plots/confusion.png",
        "ablation": "plots/ablation.png",
    }
    found = [p.relative_to(tmp_path / "new" / "model") for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(p.as_posix() for p in found) == sorted(outputs.values())


def test_writing_again_gives_the_same_and_leaves_nothing_old(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / model.name
    write_training_report(folder, make_metrics())
    for file in (*(f"plots/{name}.png" for name in PLOTS), "README.md", "report.html"):
        assert (folder / file).read_bytes() == (model / file).read_bytes()
    outputs = write_training_report(folder, make_metrics(task="multi"))
    assert "confusion" not in outputs
    assert not (folder / "plots" / "confusion.png").exists()


@quick
def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        write_training_report(tmp_path / "file", make_metrics())


# The card


def test_the_front_matter_is_what_hubs_read(model: Path) -> None:
    metrics = make_metrics()
    data = front_matter(read(model, "README.md"))
    assert "license" not in data
    assert data["pipeline_tag"] == "video-classification"
    assert {"triptych", "image", "audio", "text"} <= set(data["tags"])
    assert data["metrics"] == ["accuracy", "f1"]
    (index,) = data["model-index"]
    assert index["name"] == "clips-fusion"
    (result,) = index["results"]
    assert result["dataset"] == {"name": "clips", "type": "clips", "split": "test"}
    values = {m["type"]: m["value"] for m in result["metrics"]}
    measured = metrics["splits"]["test"]["metrics"]
    assert values["accuracy"] == pytest.approx(measured["accuracy"], abs=1e-4)
    assert values["f1"] == pytest.approx(measured["macro_f1"], abs=1e-4)


def test_the_card_says_all_that_was_measured(model: Path) -> None:
    metrics = make_metrics()
    text = read(model, "README.md")
    for split in ("test", "validation"):
        result = metrics["splits"][split]
        low, high = result["intervals"]["accuracy"]
        value = result["metrics"]["accuracy"]
        assert f"{value:.1%} ({low:.1%} to {high:.1%})" in text
    for label in LABELS:
        row = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
        figures = metrics["splits"]["test"]["by_label"][label]
        assert f"| {figures['recall']:.1%} |" in row
        assert f"| {metrics['data']['by_label'][label]['train']} |" in row
    for said in (
        "triptych run VIDEOS --model clips-fusion -o OUT",
        "triptych evaluate clips-fusion DATASET",
        "| Temperature | 1.4 |",
        "| Calibration error before | 12.0% |",
        "| Calibration error after | 5.0% |",
        "| Could not be used | 6 |",
        "| lr | 0.001 |",
        "| dropout.text | 0.4 |",
        "| speech | audio | 512 |",
        "6 videos had no sound",
    ):
        assert said in text
    for name in PLOTS:
        assert f"](plots/{name}.png)" in text


@quick
def test_the_tables_of_a_card_are_tables(tmp_path: Path) -> None:
    for i, metrics in enumerate(
        (make_metrics(), make_metrics(labels=HOSTILE), make_metrics(task="multi", test=False))
    ):
        lines = card(tmp_path / str(i), metrics).splitlines()
        rules = [n for n, line in enumerate(lines) if line.startswith("| ---")]
        assert len(rules) >= 6
        for n in rules:
            end = next(k for k in range(n, len(lines)) if not lines[k].startswith("|"))
            assert len({columns(line) for line in lines[n - 1 : end]}) == 1
        assert not any(line != line.rstrip() for line in lines)


@quick
def test_the_name_may_be_given_and_stands_in_the_commands(tmp_path: Path) -> None:
    text = card(tmp_path / ".part-x", {**make_metrics(), "name": "my model"})
    assert "\n# my model\n" in text
    assert "triptych evaluate 'my model' DATASET" in text
    assert "```\ntriptych run VIDEOS --model MODEL" in card(tmp_path / "y", {"name": "```\n# x"})


@quick
def test_thresholds_stand_beside_their_labels(tmp_path: Path) -> None:
    metrics = make_metrics(task="multi")
    assert re.search(r"^\| sport \|.*\| 0\.34 \|$", card(tmp_path / "a", metrics), re.MULTILINE)
    metrics["thresholds"] = {"sport": 0.77}
    text = card(tmp_path / "b", metrics)
    assert re.search(r"^\| sport \|.*\| 0\.77 \|$", text, re.MULTILINE)
    assert re.search(r"^\| music \|.*\| – \|$", text, re.MULTILINE)
    assert "thresholds" not in card(tmp_path / "c", make_metrics())


@quick
def test_a_regression_has_no_labels_and_no_tag_of_classification(tmp_path: Path) -> None:
    text = card(tmp_path, make_metrics(task="regression"))
    data = front_matter(text)
    assert "pipeline_tag" not in data
    assert data["metrics"] == ["mae", "pearsonr", "r_squared"]
    assert "## Labels" not in text
    assert "mean absolute error (lower is better)" in text


# The page


@quick
def test_the_page_is_closed_to_other_scripts_and_to_the_network(tmp_path: Path) -> None:
    text = page(tmp_path / "<b>x", make_metrics(labels=HOSTILE))
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert f"script-src 'sha256-{digest}'" in html.unescape(policy[1])
    assert not re.search(r"https?://", text)
    assert "<img src=x" not in text
    assert "<b>x" not in text
    assert NASTY in html.unescape(text)


def test_the_page_says_what_the_card_says(model: Path) -> None:
    metrics = make_metrics()
    words = visible(read(model, "report.html"))
    for limit in limits(metrics):
        assert limit in words
    assert lede(metrics) in words
    assert "6 videos had no sound" in words
    assert "新闻播报" in words
    result = metrics["splits"]["test"]
    low, high = result["intervals"]["macro_f1"]
    assert f"{result['metrics']['macro_f1']:.1%} {low:.1%} to {high:.1%}" in words


@quick
def test_bars_stand_where_the_figures_are(tmp_path: Path) -> None:
    text = page(tmp_path, good_metrics())
    assert '<i style="left:88.0%;width:4.0%"></i><u style="left:50.0%"></u>' in text
    assert '<b style="left:90.0%"></b>' in text


def test_each_picture_is_there_for_light_and_for_dark_screens(model: Path) -> None:
    text = read(model, "report.html")
    kinds = re.findall(r'(srcset|src)="data:image/png;base64,([^"]+)"', text)
    assert [kind for kind, _ in kinds] == ["srcset", "src"] * len(PLOTS)
    corners = [Image.open(io.BytesIO(base64.b64decode(b))).convert("L") for _, b in kinds]
    assert [c.getpixel((0, 0)) > 128 for c in corners] == [False, True] * len(PLOTS)
    saved = [(model / "plots" / f"{name}.png").read_bytes() for name in PLOTS]
    assert saved == [base64.b64decode(b) for kind, b in kinds if kind == "src"]


def test_without_matplotlib_the_page_says_how_to_get_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_training_report(tmp_path, good_metrics())
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outputs = write_training_report(tmp_path, good_metrics())
    assert outputs == {"card": "README.md", "html": "report.html"}
    assert list((tmp_path / "plots").iterdir()) == []
    text = read(tmp_path, "report.html")
    assert 'pip install "triptych[plots]"' in visible(text)
    assert "data:image/png" not in text
    readme = read(tmp_path, "README.md")
    assert "![" not in readme
    assert "matplotlib" in readme


def test_a_picture_that_fails_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = make_metrics()
    metrics["history"] = [{"epoch": "first"}]
    outputs = write_training_report(tmp_path, metrics)
    assert outputs.keys() == {"card", "html", *PLOTS} - {"curves"}
    assert "curves was not drawn: KeyError" in caplog.text
    assert "curves was not drawn" in read(tmp_path, "report.html")


@pytest.mark.parametrize("metrics", [{}, {"task": "regression"}, {"labels": ["a"], "splits": None}])
def test_next_to_nothing_is_enough(metrics: dict[str, Any], tmp_path: Path) -> None:
    assert write_training_report(tmp_path, metrics) == {"card": "README.md", "html": "report.html"}
    assert "Nothing was measured" in visible(read(tmp_path, "report.html"))
    assert front_matter(read(tmp_path, "README.md"))["library_name"] == "triptych"


@quick
def test_hostile_labels_read_as_they_are_in_the_card(tmp_path: Path) -> None:
    metrics = make_metrics(labels=HOSTILE)
    metrics["data"]["source"] = 'x"\n- y:\u2028 \uffff\x85&z'
    text = card(tmp_path / "a: [b", metrics)
    assert "<script" not in text
    assert "<img" not in text
    assert "| a\\|b |" in text
    (index,) = front_matter(text)["model-index"]
    assert index["name"] == "a: [b"
    assert index["results"][0]["dataset"]["name"] == 'x" - y: &z'


@pytest.mark.needs("chromium")
def test_in_a_browser_nothing_hostile_runs(tmp_path: Path) -> None:
    page(tmp_path, make_metrics(labels=HOSTILE))
    document = document_of(tmp_path / "report.html")
    assert "data-pwned" not in document
    assert NASTY in html.unescape(document)


@quick
@pytest.mark.needs("chromium")
def test_in_a_browser_perfect_figures_need_no_scrolling(tmp_path: Path) -> None:
    metrics = make_metrics()
    for split in metrics["splits"].values():
        split["metrics"] = dict.fromkeys(split["metrics"], 1.0)
        split["intervals"] = {key: [0.541, 1.0] for key in split["intervals"]}
    text = page(tmp_path, metrics)
    text = re.sub(r"script-src [^;]*;", "script-src 'unsafe-inline';", text)
    text = text.replace(
        "</body>",
        "<script>const box = document.querySelector('.scroll');"
        " document.documentElement.dataset.excess = box.scrollWidth - box.clientWidth;"
        "</script></body>",
    )
    (tmp_path / "copy.html").write_text(text, encoding="utf-8")
    assert 'data-excess="0"' in document_of(tmp_path / "copy.html", "--window-size=1280,900")


@quick
@pytest.mark.needs("chromium")
def test_in_a_browser_labels_can_be_sorted_and_found(tmp_path: Path) -> None:
    metrics = make_metrics(labels=[f"n{i}" for i in range(14)], videos=600)
    text = page(tmp_path, metrics)
    # What a person does, in a copy of the page that lets another script run.
    text = re.sub(r"script-src [^;]*;", "script-src 'unsafe-inline';", text)
    text = text.replace(
        "</body>",
        "<script>const head = document.querySelectorAll('#labels thead button')[5]; head.click();"
        " const find = document.getElementById('find'); find.value = 'N1';"
        " find.dispatchEvent(new Event('input'));</script></body>",
    )
    (tmp_path / "copy.html").write_text(text, encoding="utf-8")
    document = document_of(tmp_path / "copy.html")
    body = document[document.index('id="labels"') :]
    rows = re.findall(r"<tr( hidden=\"\")?><th scope=\"row\" dir=\"auto\">(n\d+)</th>", body)
    recall = {n: row["recall"] for n, row in metrics["splits"]["test"]["by_label"].items()}
    order = [-1.0 if (r := recall[name]) is None else r for _, name in rows]
    assert order == sorted(order)
    assert len(set(order)) > 3
    assert sorted(n for hidden, n in rows if not hidden) == ["n1", "n10", "n11", "n12", "n13"]
