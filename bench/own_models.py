"""CPU seconds of the families video=, ast=, clap= and voice= with networks of published sizes.

    OMP_NUM_THREADS=1 python bench/own_models.py [video ast clap voice]

The weights are random: how long a network takes does not depend on them. Each family is given ten
seconds of noise, twice, and the second time counts. Needs the extra `hub`, and no network.
"""

from __future__ import annotations

import sys
import tempfile
import time
from typing import Any

import numpy as np
import torch
import transformers as t

from triptych.extract.registry import load
from triptych.records import Footage, Sound

SECONDS = 10
RNG = np.random.default_rng(0)


def ast() -> tuple[Any, ...]:
    return t.ASTForAudioClassification(t.ASTConfig(num_labels=527)), t.ASTFeatureExtractor()


def voice() -> tuple[Any, ...]:
    return t.HubertModel(t.HubertConfig()), t.Wav2Vec2FeatureExtractor()


def clap() -> tuple[Any, ...]:
    return t.ClapModel(t.ClapConfig()), t.ClapFeatureExtractor(truncation="rand_trunc")


def video() -> tuple[Any, ...]:
    made = t.VideoMAEForVideoClassification(t.VideoMAEConfig(num_labels=400))
    return made, t.VideoMAEImageProcessor()


def records(extractor: Any) -> list[Any]:
    """Noise of the kind that it takes."""
    if Footage in extractor.takes:
        fps, side = extractor.footage
        shape = (round(fps * SECONDS), side, side * 16 // 9, 3)
        frames = RNG.integers(0, 256, shape, dtype=np.uint8)
        return [Footage(rgb=frames, pts_s=np.arange(len(frames)) / fps)]
    rate_hz = getattr(extractor, "rate_hz", 16_000)
    samples = RNG.normal(0, 0.1, SECONDS * rate_hz).astype(np.float32)
    return [Sound(samples=samples, rate_hz=rate_hz, start_s=0.0)]


def main() -> None:
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ("video", "ast", "clap", "voice"):
        with tempfile.TemporaryDirectory() as folder:
            for part in globals()[name]():
                part.save_pretrained(folder)
            extractor = load(f"{name}={folder}")
            for _ in range(2):
                given, coroutine = records(extractor), extractor()
                next(coroutine)
                began, rows = time.process_time(), {}
                try:
                    for record in [*given, None]:
                        coroutine.send(record)
                except StopIteration as end:
                    rows = {key: len(track) for key, track in end.value.items()}
                seconds = time.process_time() - began
        print(f"{name}: {seconds:.1f} CPU s for {SECONDS} s; rows {rows}", flush=True)


if __name__ == "__main__":
    main()
