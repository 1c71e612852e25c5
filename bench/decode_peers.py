"""One candidate of `bench/decode.py` over one film, in a process of its own.

    python bench/decode_peers.py torchcodec uniform16 film.mp4

prints the CPU seconds of user and system that reading took, without those of imports and start.
Each is told to use one thread, where what is compared is work and not who takes more cores;
`bench/decode_folder.py` lets each have as many as it likes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

SIDE = 224
FRAMES = 16
THREADS = 1  # 0: as many as the library takes by itself
TOLD: dict[str, Any] = {}  # film -> what is known of it, so that nobody pays for finding it out

Reader = Callable[[str, str], int]  #: film, what is wanted -> how many frames it gave


def triptych(precision: str = "exact", *, every_frame: bool = False) -> Reader:
    from triptych.decode import open_media
    from triptych.decode.precision import Precision
    from triptych.decode.sampling import sample_of
    from triptych.records import Frames

    words = {"fps1": "fps:1", "uniform16": f"uniform:{FRAMES}", "keyframes": "keyframes"}

    def read(path: str, wanted: str) -> int:
        with open_media(path) as media:
            chunks = media.stream(
                sample=sample_of(words[wanted]),
                precision=Precision(precision),
                every_frame=every_frame,
                short_side=SIDE,
                sound=False,
                text=False,
            )
            return sum(len(c.pts_s) for c in chunks if isinstance(c, Frames))

    return read


def size_of(width: int, height: int) -> tuple[int, int]:
    scale = SIDE / min(width, height)
    return round(width * scale), round(height * scale)


def middles(seconds: float) -> list[float]:
    return [(k + 0.5) * seconds / FRAMES for k in range(FRAMES)]


def pyav() -> Reader:
    import av

    def small(frame: Any) -> int:
        width, height = size_of(frame.width, frame.height)
        frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        return 1

    def chosen(film: Any, stream: Any, wanted: str) -> Iterator[Any]:
        due = None
        if wanted == "uniform16":
            start = (stream.start_time or 0) * stream.time_base
            for moment in middles(float(stream.duration * stream.time_base)):
                film.seek(int((start + moment) / stream.time_base), stream=stream)
                last = None
                for frame in film.decode(stream):
                    if last is not None and frame.time > start + moment:
                        break
                    last = frame
                yield last
            return
        for frame in film.decode(stream):
            due = frame.time if due is None else due
            if wanted == "keyframes":
                yield frame
            elif frame.time + 1e-6 >= due:
                due += 1
                yield frame

    def read(path: str, wanted: str) -> int:
        with av.open(path) as film:
            stream = film.streams.video[0]
            stream.codec_context.thread_count = THREADS
            if not THREADS:
                stream.codec_context.thread_type = "AUTO"
            if wanted == "keyframes":
                stream.codec_context.skip_frame = "NONKEY"
            return sum(small(frame) for frame in chosen(film, stream, wanted))

    return read


def opencv() -> Reader:
    import cv2

    cv2.setNumThreads(THREADS or -1)

    def small(film: Any) -> int:
        _, picture = film.retrieve()
        size = size_of(picture.shape[1], picture.shape[0])
        cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        return 1

    def read(path: str, wanted: str) -> int:
        film = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, THREADS])
        taken, due = 0, None
        if wanted == "keyframes":
            raise NotImplementedError("OpenCV cannot name key frames")
        if wanted == "uniform16":
            count = int(film.get(cv2.CAP_PROP_FRAME_COUNT))
            for moment in middles(count):
                film.set(cv2.CAP_PROP_POS_FRAMES, int(moment))
                taken += small(film) if film.grab() else 0
            return taken
        while film.grab():
            now = film.get(cv2.CAP_PROP_POS_MSEC) / 1000
            due = now if due is None else due
            if now + 1e-6 >= due:
                taken, due = taken + small(film), due + 1
        return taken

    return read


def decord() -> Reader:
    import decord as library

    def read(path: str, wanted: str) -> int:
        probe = _probe(path)
        width, height = size_of(probe["width"], probe["height"])
        film = library.VideoReader(path, width=width, height=height, num_threads=THREADS)
        if wanted == "keyframes":
            indices = list(film.get_key_indices())
        elif wanted == "uniform16":
            indices = [int(k) for k in middles(len(film))]
        else:
            rate = film.get_avg_fps()
            indices = [round(k * rate) for k in range(int((len(film) - 1) / rate) + 1)]
        return len(film.get_batch(indices).asnumpy())

    return read


def torchcodec(mode: str = "exact") -> Reader:
    import torch
    from torchcodec.decoders import VideoDecoder

    if THREADS:
        torch.set_num_threads(THREADS)
    try:
        from torchcodec.transforms import Resize
    except ImportError:
        Resize = None

    def read(path: str, wanted: str) -> int:
        probe = _probe(path)
        width, height = size_of(probe["width"], probe["height"])
        more = {"transforms": [Resize((height, width))]} if Resize else {}
        film = VideoDecoder(path, num_ffmpeg_threads=THREADS, seek_mode=mode, **more)
        about = film.metadata
        if wanted == "keyframes":
            raise NotImplementedError("torchcodec does not name key frames")
        if wanted == "uniform16":
            return len(film.get_frames_at([int(k) for k in middles(about.num_frames)]).data)
        start, end = about.begin_stream_seconds, about.end_stream_seconds
        seconds = [start + k for k in range(int(end - start) + 1) if start + k < end]
        return len(film.get_frames_played_at(seconds).data)

    return read


def spdl() -> Reader:
    import spdl.io as library

    def read(path: str, wanted: str) -> int:
        probe = _probe(path)
        width, height = size_of(probe["width"], probe["height"])
        scale = {"scale_width": width, "scale_height": height, "pix_fmt": "rgb24"}
        one = library.decode_config(decoder_options={"threads": str(THREADS)})
        packets = library.demux_video(path)
        if wanted == "keyframes":
            raise NotImplementedError("spdl-io does not name key frames")
        if wanted == "uniform16":
            indices = [int(k) for k in middles(len(packets))]
            plan = library.get_video_filter_desc(**scale)
            frames = library.sample_decode_video(
                packets, indices, decode_config=one, filter_desc=plan
            )
        else:
            plan = library.get_video_filter_desc(frame_rate=(1, 1), **scale)
            frames = library.decode_packets(packets, decode_config=one, filter_desc=plan)
        return len(library.to_numpy(library.convert_frames(frames)))

    return read


def ffmpeg() -> Reader:
    subprocess.run(["ffmpeg", "-version"], capture_output=True, check=True)

    def run(*arguments: str) -> bytes:
        threads = str(THREADS)
        alone = ("-threads", threads, "-filter_threads", threads)
        quiet = ("ffmpeg", "-v", "error", "-nostdin", *alone)
        raw = ("-an", "-sn", "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
        return subprocess.run([*quiet, *arguments, *raw], capture_output=True, check=True).stdout

    def read(path: str, wanted: str) -> int:
        probe = _probe(path)
        width, height = size_of(probe["width"], probe["height"])
        scale = f"scale={width}:{height}"
        if wanted == "fps1":
            out = run("-i", path, "-vf", f"fps=1,{scale}")
        elif wanted == "keyframes":
            out = run("-skip_frame", "nokey", "-i", path, "-fps_mode", "passthrough", "-vf", scale)
        else:
            moments = middles(probe["seconds"])
            out = b"".join(
                run("-ss", f"{t:.3f}", "-i", path, "-frames:v", "1", "-vf", scale) for t in moments
            )
        return len(out) // (width * height * 3)

    return read


def _probe(path: str) -> dict[str, Any]:
    found: dict[str, Any] = TOLD[path]
    return found


CANDIDATES: dict[str, Callable[[], Reader]] = {
    "triptych exact": triptych,
    "triptych near": lambda: triptych("near"),
    "triptych keyframe": lambda: triptych("keyframe"),
    "triptych every frame": lambda: triptych(every_frame=True),
    "pyav": pyav,
    "opencv": opencv,
    "decord": decord,
    "torchcodec": torchcodec,
    "torchcodec approximate": lambda: torchcodec("approximate"),
    "spdl-io": spdl,
    "ffmpeg": ffmpeg,
}


def spent() -> float:
    """CPU seconds of this process and of those it waited for."""
    users = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, users))


def main(arguments: Sequence[str]) -> None:
    """Measure one; what goes wrong is said in words, as a result."""
    name, wanted, path = arguments[:3]
    TOLD[path] = json.loads(arguments[3])
    try:
        read = CANDIDATES[name]()
        cpu_s, wall_s = spent(), time.perf_counter()
        frames = read(path, wanted)
        found: dict[str, Any] = {
            "frames": frames,
            "cpu_s": spent() - cpu_s,
            "wall_s": time.perf_counter() - wall_s,
        }
    except Exception as err:  # noqa: BLE001 - a peer that fails is named as such
        lines = str(err).strip().splitlines() or [""]
        found = {"failed": f"{type(err).__name__}: {lines[0][:200]}"}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
