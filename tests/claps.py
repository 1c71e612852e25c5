"""Films in which something is seen and heard at the same moment."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from synth import BLACK, WHITE, Clip, plain, steady, write


def flash_and_click(path: Path, *, at_s: float = 1.4, start_s: float = 0.0) -> Clip:
    """Two and a half seconds of black and silence, but for one white frame and one click."""
    times = steady(2.5, 25, start_s)
    flash = round(at_s * 25)
    wave = np.zeros(round(2.5 * 48_000), np.float32)
    wave[round(at_s * 48_000) : round(at_s * 48_000) + 48] = 0.9
    write(
        path,
        times=times,
        picture=lambda i: plain(WHITE if i == flash else BLACK),
        wave=wave,
        rate=48_000,
        sound_start_s=start_s,
    )
    facts = {"flash_s": times[flash], "click_s": start_s + at_s}
    return Clip(path=path, times=times, start_s=start_s, end_s=start_s + 2.5, facts=facts)


def clap(path: Path, at_s: tuple[float, ...], *, fps: int, start_s: float) -> None:
    """Nine seconds of black silence, white for a tenth of a second and a click at some times."""
    rate = 48_000
    wave = np.zeros((1, 9 * rate), np.float32)
    for at in at_s:
        wave[0, int(at * rate) : int(at * rate) + 400] = 0.9
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "bf": "2"})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = out.add_stream("aac", rate=rate, layout="mono")
        for i in range(9 * fps):
            white = any(at - 0.001 <= i / fps < at + 0.1 for at in at_s)
            plane = np.full((120, 160, 3), 255 if white else 0, np.uint8)
            frame = av.VideoFrame.from_ndarray(plane, "rgb24")
            frame.pts, frame.time_base = round((start_s + i / fps) * 1000), Fraction(1, 1000)
            out.mux(video.encode(frame))
        sounds = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
        sounds.sample_rate, sounds.pts, sounds.time_base = (
            rate,
            round(start_s * rate),
            Fraction(1, rate),
        )
        out.mux(audio.encode(sounds))
        out.mux(audio.encode(None))
        out.mux(video.encode(None))
