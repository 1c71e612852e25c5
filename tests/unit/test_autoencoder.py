"""An extractor that is trained on a folder's own pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import synth
from families import autoencoder
from triptych.config import ExtractConfig, load_config
from triptych.decode import open_media
from triptych.errors import UsageError, WeightsError
from triptych.extract import extract
from triptych.extract.autoencoder import AutoencoderExtractor, fitted
from triptych.extract.registry import chosen, entry
from triptych.trainer import train
from triptych_models.autoencoder import SIDE, Autoencoder, Recipe, fit, load, save

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = Recipe(dim=16, width=8, epochs=8, batch=16, rate=3e-3)


def kinds(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with a bright bar that lies or stands, in one of four places; 0 and 1."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(20, 60, (count, SIDE, SIDE, 3)).astype(np.uint8)
    stands = np.arange(count) % 2
    for picture, upright in zip(pictures, stands, strict=True):
        at = 16 * int(rng.integers(4))
        part = np.s_[:, at : at + 16] if upright else np.s_[at : at + 16]
        picture[part] = rng.integers(160, 255, 3)
    return pictures, stands


@pytest.fixture(scope="module")
def trained() -> tuple[Autoencoder, dict[str, float]]:
    torch.set_num_threads(1)
    return fit(kinds(256, seed=0)[0], kinds(64, seed=1)[0], recipe=QUICK)


def test_pictures_are_drawn_better_than_by_their_mean(
    trained: tuple[Autoencoder, dict[str, float]],
) -> None:
    network, figures = trained
    assert figures["error"] < 0.5 * figures["error_of_mean"]
    new = kinds(32, seed=2)[0]
    with torch.inference_mode():
        drawn = network(torch.from_numpy(new)).numpy()
    assert ((drawn - new / 255) ** 2).mean() < 0.6 * figures["error_of_mean"]


def test_codes_tell_two_kinds_apart(trained: tuple[Autoencoder, dict[str, float]]) -> None:
    """By a linear probe, on pictures that nobody learned from."""
    from sklearn.linear_model import LogisticRegression

    def codes(seed: int) -> tuple[np.ndarray, np.ndarray]:
        pictures, kind = kinds(120, seed=seed)
        with torch.inference_mode():
            return trained[0].encode(torch.from_numpy(pictures)).numpy(), kind

    probe = LogisticRegression(max_iter=1000).fit(*codes(3))
    assert probe.score(*codes(4)) > 0.9


def test_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    pictures, judged = kinds(64, seed=0)[0], kinds(32, seed=1)[0]
    recipe = Recipe(dim=8, width=4, epochs=2, batch=32)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    files = []
    for name in ("one", "other"):
        network, figures = fit(pictures, judged, recipe=recipe)
        (tmp_path / name).mkdir()
        save(network, tmp_path / name, recipe=recipe, learned=figures)
        files.append((tmp_path / name / "model.safetensors").read_bytes())
        assert torch.equal(torch.get_rng_state(), before)  # nobody else's draws are touched
    assert files[0] == files[1]
    other, _ = fit(pictures, judged, recipe=Recipe(dim=8, width=4, epochs=2, batch=32, seed=1))
    assert not torch.equal(other.code.weight, network.code.weight)
    again = load(tmp_path / "one")
    assert torch.equal(again.code.weight, network.code.weight)


def test_it_ends_when_nothing_is_gained() -> None:
    """White pictures teach nothing about black ones."""
    white, black = (np.full((64, SIDE, SIDE, 3), grey, np.uint8) for grey in (255, 0))
    seen: list[float] = []
    recipe = Recipe(dim=4, width=4, epochs=20, batch=16, patience=2)
    network, figures = fit(
        white, black, recipe=recipe, on_epoch=lambda p: seen.append(p["valid_loss"])
    )
    assert figures["epochs"] == len(seen) < 20
    assert figures["error"] == min(seen) and seen[-1] > min(seen)
    with torch.inference_mode():  # the best epoch is kept, not the last
        drawn = network(torch.from_numpy(black)).clamp(0, 1)
    assert float((drawn**2).mean()) == pytest.approx(min(seen), rel=1e-4)


def test_nothing_to_learn_from_is_an_error() -> None:
    none = np.zeros((0, SIDE, SIDE, 3), np.uint8)
    with pytest.raises(ValueError, match="0 pictures"):
        fit(none, none)


def saved(folder: Path) -> Path:
    folder.mkdir()
    return Path(autoencoder(folder))


class TestAsAnExtractor:
    """`--extract autoencoder=FOLDER`."""

    def test_a_row_a_frame(self, tmp_path: Path) -> None:
        folder = saved(tmp_path / "模型")
        clip = synth.scenes(tmp_path / "film.mkv", sound=False)
        with open_media(clip.path) as media:
            track = extract(media, [f"autoencoder={folder}"])["autoencoder"]
        assert track.values.shape == (8, 8) and np.isfinite(track.values).all()
        assert track.start_s == pytest.approx(np.arange(8.0))

    def test_rows_are_what_the_network_says(self, tmp_path: Path) -> None:
        folder = saved(tmp_path / "model")
        config = json.loads((folder / "config.json").read_text())
        network = Autoencoder(dim=config["dim"], width=config["width"])
        network.load_state_dict(load_file(folder / "model.safetensors"))
        pictures = [synth.textured(n, (90, 120)) for n in range(3)]
        coroutine = AutoencoderExtractor(entry(f"autoencoder={folder}").source)()
        next(coroutine)
        coroutine.send(synth.frames(pictures))
        with pytest.raises(StopIteration) as done:
            coroutine.send(None)
        with torch.inference_mode():
            wanted = network.eval().encode(torch.from_numpy(np.stack(list(map(fitted, pictures)))))
        np.testing.assert_allclose(done.value.value["autoencoder"].values, wanted, atol=1e-5)

    def test_its_key_is_that_of_the_weights(self, tmp_path: Path) -> None:
        one, other = saved(tmp_path / "one"), tmp_path / "other"
        other.mkdir()
        for file in one.iterdir():
            (other / file.name).write_bytes(file.read_bytes())
        assert entry(f"autoencoder={one}").specs == entry(f"autoencoder={other}").specs
        recipe = Recipe(dim=8, width=4)
        torch.manual_seed(1)
        save(Autoencoder(dim=8, width=4), other, recipe=recipe, learned={})
        assert entry(f"autoencoder={one}").specs != entry(f"autoencoder={other}").specs
        names = [e.name for e in chosen(ExtractConfig(add=(f"autoencoder={one}",)))]
        assert names[-1] == "autoencoder"

    @pytest.mark.parametrize("size", [(1, 1), (3, 200), (600, 20)])
    def test_pictures_of_any_shape_are_fitted(self, size: tuple[int, int]) -> None:
        assert fitted(synth.textured(1, size)).shape == (SIDE, SIDE, 3)

    def test_another_folder_is_told(self, tmp_path: Path) -> None:
        folder = saved(tmp_path / "model")
        (folder / "config.json").write_text('{"kind": "clip"}')
        with pytest.raises(WeightsError, match="no autoencoder") as caught:
            entry(f"autoencoder={folder}")
        assert "--task features" in caught.value.remedy

    def test_weights_of_another_network_are_told(self, tmp_path: Path) -> None:
        folder = saved(tmp_path / "model")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"width": 5}))
        with pytest.raises(WeightsError, match="no autoencoder that can be read"):
            AutoencoderExtractor(entry(f"autoencoder={folder}").source)


class TestTraining:
    """`triptych train FOLDER --task features -o MODEL`."""

    CONFIG = load_config(assignments=("train.task=features", "train.epochs=1", "runner.workers=1"))

    def test_a_folder_becomes_an_extractor(self, tmp_path: Path) -> None:
        films = tmp_path / "films"
        films.mkdir()
        for n in range(3):
            synth.scenes(films / f"电影{n}.mkv", sound=False)
        (films / "broken.mp4").write_bytes(b"no film")
        result = train([films], tmp_path / "model", config=self.CONFIG)
        learned = result["learned"]
        assert result["used"] == 3 and result["failed"] + result["states"]["skipped"] == 1
        assert (learned["videos"], learned["epochs"]) == (3, 1)
        assert learned["pictures"] > learned["held_out"] > 0
        assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
            "config.json",
            "model.safetensors",
        ]
        with open_media(films / "电影0.mkv") as media:
            track = extract(media, [f"autoencoder={tmp_path / 'model'}"])["autoencoder"]
        assert len(track) == 8

    def test_what_is_something_else_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("keep")
        with pytest.raises(UsageError, match="something else"):
            train([tmp_path], tmp_path, config=self.CONFIG)
        assert (tmp_path / "mine.txt").read_text() == "keep"

    def test_too_little_is_told(self, tmp_path: Path) -> None:
        films = tmp_path / "films"
        films.mkdir()
        (films / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nwords\n")
        with pytest.raises(UsageError, match="0 pictures of 0 files"):
            train([films], tmp_path / "model", config=self.CONFIG)
        assert not (tmp_path / "model").exists()
