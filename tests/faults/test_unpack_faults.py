"""`triptych decode` that is killed, loses its worker, or has no room: nothing half done is left."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from command import COMMAND, PATIENCE_S, clip, environment, started, triptych, until
from synth import noise, steady, textured, write

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and limits are POSIX")


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that takes a while: large pictures, all of which are written."""
    return write(
        tmp_path_factory.mktemp("long") / "long.mkv",
        times=steady(8.0),
        picture=lambda i: textured(i, (960, 540)),
        codec="mjpeg",
        pixels="yuvj420p",
        wave=noise(8.0),
    )


def is_at_work(out: Path) -> bool:
    return any(out.glob(".part-decode-*/frames/*.png"))


@POSIX
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_ended_leaves_nothing_that_looks_finished(
    sent: signal.Signals, long_film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    how = ("--frames", "png", "--sample", "fps:25")
    with started("decode", long_film, "-o", out, *how) as process:
        until(lambda: is_at_work(out))
        os.kill(process.pid, sent)
        code = process.wait(PATIENCE_S)
    assert code == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}[sent]
    if out.exists():
        assert {n for n in os.listdir(out) if not n.startswith(".part-decode-")} <= {".lock"}
    if sent != signal.SIGKILL:
        assert not out.exists()
        return
    again = triptych("decode", long_film, "-o", out)
    assert again.returncode == 0, again.stderr
    assert not [*out.glob(".part-*")] and len(os.listdir(out / "frames")) == 8


@POSIX
@pytest.mark.parametrize("point", ["file.written media.json", "worker.answered *"])
def test_a_worker_that_dies_is_replaced(point: str, tmp_path: Path) -> None:
    film, flag, out = clip(tmp_path / "film.mp4"), tmp_path / "flag", tmp_path / "out"
    flag.touch()
    done = subprocess.run(
        [*COMMAND, "decode", str(film), "-o", str(out)],
        env=environment() | {"TRIPTYCH_CRASH": f"{point} {flag}"},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert not flag.exists(), "the place was never reached"
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / "media.json").is_file() and not [*out.glob(".part-*")]


@POSIX
@pytest.mark.parametrize(
    "options",
    [("--frames", "none", "--no-spectrogram"), ("--sound", "none", "--no-spectrogram"),
     ("--sound", "none", "--frames", "none")],
)  # fmt: skip
def test_a_disk_without_room_is_named(
    options: tuple[str, ...], long_film: Path, tmp_path: Path
) -> None:
    """A limit on the size of files, which the system keeps as it would the disk's."""

    def cramped() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))

    done = subprocess.run(
        [*COMMAND, "decode", str(long_film), "-o", str(tmp_path / "out"), *options],
        env=environment(),
        preexec_fn=cramped,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "write: cannot write: File too large (twice)" in done.stdout
    assert "(free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
