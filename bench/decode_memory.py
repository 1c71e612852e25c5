"""Peak memory of decoding an hour of 1080p against that of two minutes of it.

The hour is the same film over and over, its packets copied and not coded again, with words every
four seconds. One frame a second, sound, spectrogram and cues are read, and nothing is kept.

    python bench/decode_memory.py ../shared/data/long_video/video2dataset_test_video_123s_1080p.mp4
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from measure import machine, measured, spread, versions

_READ = """
import sys
from collections import Counter
from triptych.decode import open_media
seen = Counter()
with open_media(sys.argv[1]) as media:
    for chunk in media.stream(fps=1.0, short_side=224):
        seen[type(chunk).__name__] += len(getattr(chunk, "pts_s", [0]))
    assert not media.report.partial, media.report.warnings
    print(dict(seen), media.report.end_s)
assert len(seen) == 4, seen
"""
_STEP_S = 4  # a cue every four seconds
_PAUSE_S = Fraction(1, 5)  # between repetitions, as the last pictures may come after the sound


def looped(source: Path, path: Path, seconds: float) -> float:
    """Copy a film's packets over and over until it lasts so long; how long it then lasts."""
    codec = "mov_text" if path.suffix == ".mp4" else "subrip"
    with av.open(str(source)) as film, av.open(str(path), "w") as out:
        length = Fraction(film.duration, av.time_base) + _PAUSE_S
        turns = max(1, round(seconds / length))
        copies = {
            s.index: out.add_stream_from_template(s)
            for s in (film.streams.video[0], film.streams.audio[0])
        }
        words = out.add_mux_stream(codec, time_base=Fraction(1, 1000))
        for turn in range(turns):
            film.seek(0)
            said = 0
            for packet in film.demux(*(film.streams[i] for i in copies)):
                if packet.dts is None:
                    continue
                at_s = packet.dts * packet.time_base
                while said * _STEP_S <= at_s:
                    out.mux(_cue(words, codec, turn * length + said * _STEP_S))
                    said += 1
                packet.pts += round(turn * length / packet.time_base)
                packet.dts += round(turn * length / packet.time_base)
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return float(turns * length)


def _cue(stream: av.Stream, codec: str, at_s: Fraction) -> av.Packet:
    text = f"words at {float(at_s):.0f} s".encode()
    packet = av.Packet(len(text).to_bytes(2, "big") + text if codec == "mov_text" else text)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = round(at_s * 1000)
    packet.duration = 1000 * _STEP_S
    packet.is_keyframe = True
    return packet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("film", type=Path, help="about two minutes of 1080p with sound")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for ending in ("mp4", "mkv"):
            row: dict[str, Any] = {}
            for name, seconds in (("short", 1.0), ("long", options.minutes * 60)):
                path = Path(scratch) / f"{name}.{ending}"
                row[f"{name}_s"] = round(looped(options.film, path, seconds))
                command = [sys.executable, "-c", _READ, str(path)]
                runs = [measured(command) for _ in range(options.runs)]
                row[f"{name}_mb"] = spread([run.peak_mb for run in runs])
                row[f"{name}_cpu_s"] = spread([run.cpu_s for run in runs])
                path.unlink()
            row["ratio"] = round(row["long_mb"]["median"] / row["short_mb"]["median"], 3)
            found[ending] = row
    print(json.dumps(found, indent=1))
    report = {"machine": machine(), "versions": dict(versions()), "date": time.strftime("%Y-%m-%d")}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report | found, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if any(row["ratio"] > 1.1 for row in found.values()) else 0)


if __name__ == "__main__":
    main()
