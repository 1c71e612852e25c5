"""Made-up analyses and clips whose truth is known, for the tests of reports."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from triptych.records import (
    Analysis,
    Cue,
    FeatureTrack,
    LabelScore,
    MediaInfo,
    Modality,
    Prediction,
    Segment,
    Shot,
    Spec,
    Summary,
    Thumbnails,
    Timeline,
)

COLORS = ((220, 40, 40), (40, 190, 60), (50, 80, 230), (230, 200, 40), (160, 60, 200))
TONES_HZ = (300.0, 500.0, 800.0, 1300.0, 2100.0)
NASTY = "</script><script>document.documentElement.dataset.pwned=1</script>"


def make_jpeg(color: tuple[int, int, int], size: tuple[int, int] = (455, 256)) -> bytes:
    """A picture of one colour with a little structure, as the decoder's thumbnails are."""
    picture = Image.new("RGB", size, color)
    if min(size) > 8:
        picture.paste((250, 250, 250), (size[0] // 3, size[1] // 3, size[0] // 2, size[1] // 2))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def make_track(
    name: str, modality: Modality, times: np.ndarray, columns: tuple[str, ...]
) -> FeatureTrack:
    """A track of one-second rows."""
    spec = Spec(name=name, version=1, modality=modality, dim=len(columns), columns=columns)
    values = np.random.default_rng(len(name)).normal(size=(len(times), len(columns)))
    if "loudness_db" in columns:
        values[:, columns.index("loudness_db")] = -30 + 12 * np.sin(times / 3)
    return FeatureTrack(
        values=values.astype(np.float32), start_s=times, end_s=times + 1.0, spec=spec
    )


def make_analysis(
    *,
    seconds: int = 20,
    start_s: float = 0.0,
    size: tuple[int, int] = (1280, 720),
    cues: Sequence[Cue] | None = None,
    segments: Sequence[Segment] | None = None,
    pictures: bool = True,
    sound: bool = True,
    language: str = "en",
    labels: Sequence[str] = ("animals", "sport", "music", "cooking", "traffic", "nature"),
) -> Analysis:
    """An analysis of a video that shows another colour every four seconds."""
    times = start_s + np.arange(seconds, dtype=np.float64)
    if cues is None:
        cues = (
            Cue(start_s=start_s + 1, end_s=start_s + 3, text="Hello there", source="embedded"),
            Cue(start_s=start_s + 6, end_s=start_s + 8, text="一只猫在睡觉", source="embedded"),
        )
    if segments is None:
        segments = (
            Segment(
                start_s=start_s + 4, end_s=start_s + 7, score=1.0, words="一只猫", label="animals"
            ),
            Segment(start_s=start_s + 12, end_s=start_s + 14, score=0.6, label="sport"),
        )
    tracks: dict[str, FeatureTrack] = {}
    if pictures:
        tracks["pixels"] = make_track("pixels", "image", times, ("luma", "motion"))
    if sound:
        tracks["audio"] = make_track("audio", "audio", times, ("loudness_db", "zcr"))
    if cues:
        tracks["words"] = make_track("words", "text", times[:8], ("length",))
    short = 256 / min(size)
    thumb = (max(1, round(size[0] * min(1, short))), max(1, round(size[1] * min(1, short))))
    thumbnails = Thumbnails(
        jpeg=tuple(make_jpeg(COLORS[i // 4 % 5], thumb) for i in range(seconds))
        if pictures
        else (),
        pts_s=times if pictures else np.zeros(0),
    )
    return Analysis(
        info=MediaInfo(
            path="/videos/clip.mp4",
            container="mov,mp4,m4a,3gp,3g2,mj2",
            start_s=start_s,
            duration_s=float(seconds),
            width=size[0] if pictures else 0,
            height=size[1] if pictures else 0,
            fps=25.0 if pictures else None,
            video="h264" if pictures else None,
            audio="aac" if sound else None,
            text=("mov_text",) if cues else (),
        ),
        digest="ab" * 32,
        cues=tuple(cues),
        shots=tuple(
            Shot(start_s=start_s + a, end_s=start_s + min(a + 4, seconds))
            for a in range(0, seconds, 4)
        ),
        tracks=tracks,
        thumbnails=thumbnails,
        timeline=Timeline(
            start_s=times,
            end_s=times + 1.0,
            values={
                name: np.zeros((seconds, track.spec.dim), np.float32)
                for name, track in tracks.items()
            },
            present={name: np.arange(seconds) < len(track) for name, track in tracks.items()},
        ),
        prediction=_prediction(seconds, labels),
        summary=Summary(
            method="representative",
            budget_s=5.0,
            segments=tuple(sorted(segments, key=lambda s: s.start_s)),
            text=" ".join(cue.text for cue in cues),
            language=language,
            sentences=tuple(cues),
        ),
        warnings=("the sound track ends early",),
        seconds={"decode": 1.25, "extract": 2.5},
        cached=("pixels",),
    )


def _prediction(steps: int, labels: Sequence[str]) -> Prediction:
    logits = np.stack([2 * np.sin(np.arange(steps) / 4 + i) for i in range(len(labels))], axis=1)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    means = shares.mean(axis=0)
    order = np.argsort(-means, kind="stable")
    return Prediction(
        method="zero-shot",
        ranked=tuple(
            LabelScore(
                label=labels[i],
                score=float(means[i]),
                contributions={"image": 1.2 - 0.1 * i, "audio": 0.4, "text": -0.2},
            )
            for i in order
        ),
        labels=tuple(labels),
        steps=shares.astype(np.float32),
        step_present=np.ones(steps, bool),
    )


def tone_clip(
    path: Path,
    *,
    scenes: int = 5,
    scene_s: float = 2.0,
    size: tuple[int, int] = (320, 240),
    fps: int = 25,
    start_s: float = 0.0,
    video: bool = True,
    audio: bool = True,
    uneven: bool = False,
) -> None:
    """Write a clip whose scene i shows COLORS[i] and sounds TONES_HZ[i]."""
    rate = 44_100
    with av.open(str(path), "w") as out:
        if video:
            pictures = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
            pictures.width, pictures.height, pictures.pix_fmt = *size, "yuv420p"
            pictures.codec_context.time_base = Fraction(1, 1000)
            pictures.codec_context.gop_size = 200
        if audio:
            sounds = out.add_stream("aac", rate=rate, layout="mono")
        for scene in range(scenes):
            begin = start_s + scene * scene_s
            if video:
                for k, at in enumerate(np.arange(0, scene_s - 1e-9, 1 / fps)):
                    if uneven and k % 3 == 1:
                        continue
                    plane = np.full((size[1], size[0], 3), COLORS[scene], np.uint8)
                    frame = av.VideoFrame.from_ndarray(plane, "rgb24")
                    frame.pts, frame.time_base = round((begin + at) * 1000), Fraction(1, 1000)
                    out.mux(pictures.encode(frame))
            if audio:
                first = round(scene * scene_s * rate)
                count = round((scene + 1) * scene_s * rate) - first
                phase = 2 * np.pi * TONES_HZ[scene] * (first + np.arange(count)) / rate
                wave = (0.5 * np.sin(phase)).astype(np.float32)[None]
                block = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
                block.sample_rate, block.time_base = rate, Fraction(1, rate)
                block.pts = round(start_s * rate) + first
                out.mux(sounds.encode(block))
        if video:
            out.mux(pictures.encode(None))
        if audio:
            out.mux(sounds.encode(None))
