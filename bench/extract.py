"""How good and how fast features are, one study a sub-command; figures as JSON.

    python bench/extract.py esc10 --weights ../shared/data/weights/mn04_as_mAP_432.pt
    python bench/extract.py pictures
    python bench/extract.py shots --montages 6
    python bench/extract.py codes --model MODEL
    python bench/extract.py photos --photos FOLDER
    python bench/extract.py hearing --weights ../shared/data/weights/mn04_as_mAP_432.pt
    python bench/extract.py speech --clips FOLDER

To add a study, write `add_parser(commands)` in a module of its own, as `extract_sound.py` does,
and name the module in `STUDIES`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import datetime
import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench")]

from measure import machine, versions

STUDIES = (
    "extract_pictures",
    "extract_photos",
    "extract_sound",
    "extract_speech",
    "extract_shots",
    "autoencoder",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file; it is printed in any case")
    commands = parser.add_subparsers(dest="study", required=True)
    for name in STUDIES:
        importlib.import_module(name).add_parser(commands)
    asked = parser.parse_args()
    report = {
        "command": " ".join(["python", "bench/extract.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": dict(versions()),
        asked.study: asked.run(asked),
    }
    text = json.dumps(report, indent=1, ensure_ascii=False)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
