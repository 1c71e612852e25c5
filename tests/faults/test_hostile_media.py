"""Files that lie: playlists and scripts posing as films, absurd claims."""

from __future__ import annotations

import http.server
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

import synth
from reading import read_all
from triptych.decode import open_media
from triptych.decode.quicktime import film_header
from triptych.errors import DecodeError, InputError, NotMediaError
from triptych.records import Frames, Sound


class Counting(http.server.ThreadingHTTPServer):
    """Serves nothing, and remembers who asked."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        super().__init__(("127.0.0.1", 0), self.Handler)

    class Handler(http.server.BaseHTTPRequestHandler):
        server: Counting

        def do_GET(self) -> None:
            self.server.hits.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def playlist(target: str) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5.0,\n{target}\n#EXT-X-ENDLIST\n"


def concat(target: str) -> str:
    return f"ffconcat version 1.0\nfile '{target}'\n"


def manifest(target: str) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-main:2011">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )


def session(target: str) -> str:
    host = target.removeprefix("http://").split("/")[0].split(":")[0]
    return (
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 {host or '127.0.0.1'}\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


def index(_: str) -> str:
    """Of bitmap subtitles, whose pictures are in a file beside it."""
    return "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n"


def sealed(target: str) -> str:
    """A playlist whose key lies elsewhere, and its pieces, and what comes before them."""
    return (
        f'#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n'
        f'#EXT-X-MAP:URI="{target}"\n#EXTINF:5.0,\n{target}\n#EXT-X-ENDLIST\n'
    )


def master(target: str) -> str:
    return f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n"


def avisynth(target: str) -> str:
    return f'DirectShowSource("{target}")\n'


def vapoursynth(target: str) -> str:
    return f"import vapoursynth as vs\nvs.core.ffms2.Source('{target}').set_output()\n"


def subtitles(target: str) -> str:
    """With a font of its own, and a picture by address."""
    return (
        "[Script Info]\nScriptType: v4.00+\n[Fonts]\nfontname: x.ttf\n!!!\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        f"Dialogue: 0,0:00:00.00,0:00:01.00,,,0,0,0,,{{\\img({target})}}hello\n"
    )


SCRIPTS = {
    "playlist": playlist,
    "sealed playlist": sealed,
    "master playlist": master,
    "avisynth": avisynth,
    "vapoursynth": vapoursynth,
    "subtitles": subtitles,
    "concat": concat,
    "dash": manifest,
    "sdp": session,
    "vobsub": index,
}


@pytest.mark.parametrize("kind", SCRIPTS)
@pytest.mark.parametrize("where", ["file", "bare name", "network"])
def test_scripts_reach_neither_the_network_nor_other_files(
    tmp_path: Path, server: Counting, kind: str, where: str
) -> None:
    other = synth.write(
        tmp_path / "other.ts", times=synth.steady(1.0), codec="mpeg4", pixels="yuv420p"
    )
    target = {
        "file": f"file:{other}",
        "bare name": "other.ts",
        "network": f"http://127.0.0.1:{server.server_port}/film.ts",
    }[where]
    for ending in (".mp4", ".m3u8", ".mkv", ".ts", ".sdp", ".mpd", ".ffconcat"):
        path = tmp_path / f"film{ending}"
        path.write_text(SCRIPTS[kind](target))
        with pytest.raises(DecodeError) as caught:
            read_all(path)
        assert caught.value.path == str(path) and caught.value.remedy
        if kind == "subtitles":
            assert "no pictures and no sound" in caught.value.message
        else:
            assert isinstance(caught.value, NotMediaError) and "refused" in caught.value.remedy
    assert server.hits == []


def referring(path: Path, other: Path) -> Path:
    """A QuickTime film whose only picture lies in another file."""
    picture = synth.jpeg(synth.plain(synth.RED))
    film = bytearray(
        film_header(b"jpeg", size=(96, 64), sizes=[len(picture)], stays=[25], ticks_a_second=25)
    )
    other.write_bytes(bytes(len(film)) + picture)  # where the film says that it lies
    name = str(other).encode()
    # An alias record, as QuickTime's own players wrote it: names, levels, and the whole path.
    record = bytes(10) + b"\0" * 28 + bytes(12)
    record += bytes([len(other.name)]) + other.name.encode().ljust(63, b"\0") + bytes(16)
    record += struct.pack(">hh", 0, 0) + bytes(16)
    record += struct.pack(">hH", 2, len(name)) + name + b"\0" * (len(name) % 2)
    record += struct.pack(">hH", -1, 0)
    alias = struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    at = film.index(b"url ") - 4
    grown = len(alias) - 12
    film[at : at + 12] = alias
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        size_at = film.index(box) - 4
        film[size_at : size_at + 4] = struct.pack(
            ">I", struct.unpack(">I", film[size_at : size_at + 4])[0] + grown
        )
    path.write_bytes(film)
    return path


def test_a_film_whose_pictures_lie_elsewhere_is_not_followed(tmp_path: Path) -> None:
    path = referring(tmp_path / "film.mov", tmp_path / "other.bin")
    followed = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(path), options=followed) as container:  # or this test is about nothing
        assert len(list(container.decode(video=0))) == 1
    with pytest.raises(DecodeError, match="nothing could be decoded"):
        read_all(path)


def test_such_a_playlist_would_work_without_the_guard(tmp_path: Path, server: Counting) -> None:
    # Or the tests above would pass for the wrong reason.
    synth.write(tmp_path / "other.ts", times=synth.steady(1.0), codec="mpeg4", pixels="yuv420p")
    for kind, ending in (("playlist", ".m3u8"), ("concat", ".ffconcat")):
        path = tmp_path / f"film{ending}"
        path.write_text(SCRIPTS[kind]("other.ts"))
        with av.open(str(path), options={"safe": "0"}) as container:
            assert len(list(container.decode(video=0))) == 25
    path = tmp_path / "net.m3u8"
    path.write_text(playlist(f"http://127.0.0.1:{server.server_port}/film.ts"))
    with pytest.raises(av.error.FFmpegError):
        av.open(
            str(path), options={"protocol_whitelist": "file,http,tcp", "allowed_extensions": "ALL"}
        ).close()
    assert server.hits


def test_a_film_whose_name_is_an_address_is_a_file(tmp_path: Path, server: Counting) -> None:
    names = (
        *("http:", "concat:a|b", "pipe:0", "data:x", "subfile,,start,0,end,9,,:x", "crypto:x"),
        *("-", "-i", "%03d.mkv", "*.mkv", "a?b#c.mkv", "[a-z].mkv", "two\nlines", " blank ", "\t"),
        *("影片\u3000😀\u202e.mkv", "e\u0301.mkv", "x" * 255, os.fsdecode(b"\xff\xfe.mkv")),
    )
    for name in names:
        synth.write(tmp_path / "film.mkv", times=[0.0]).rename(tmp_path / name)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            assert read_all(Path(name)).width == 96
    assert server.hits == []


def test_a_numbered_name_does_not_open_its_neighbours(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n:03d}.png").write_bytes(synth.png(synth.plain(synth.RED)))
    with pytest.raises(InputError):
        read_all(tmp_path / "%03d.png")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.mp4", b"This is a letter, not a film.\n" * 50),
        ("page.mp4", b"<!doctype html><html><body>Not found</body></html>"),
        ("script.mp4", b"#!/bin/sh\nexit 0\n"),
        ("picture.mp4", synth.png(synth.plain(synth.RED))),
        ("zeros.mp4", bytes(5000)),
        ("one.mp4", b"\0"),
        ("subtitles.mp4", b"1\n00:00:01,000 --> 00:00:02,000\nhello\n"),
        ("type.d.ts", b"export declare const x: number;\n" * 100),
    ],
)
def test_files_that_are_no_films_say_so(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DecodeError) as caught:
        read_all(path)
    assert caught.value.path == str(path)
    assert caught.value.remedy and str(path) in str(caught.value)


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.touch()
    with pytest.raises(NotMediaError, match="the file is empty"):
        open_media(path)


def test_missing_files_and_folders_are_input_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.mp4", tmp_path, tmp_path / "nothing" / "film.mp4"):
        with pytest.raises(InputError) as caught:
            open_media(path)
        assert caught.value.path == str(path) and "check the path" in caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_an_input_error(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "film.mkv", times=[0.0])
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        open_media(path)


@pytest.mark.parametrize("size", [(16_000, 16_000), (32_000, 200), (9_000, 9_000)])
def test_absurd_dimensions_are_refused_before_decoding(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = synth.huge_avi(tmp_path / "film.avi", *size)
    with pytest.raises(DecodeError):
        read_all(path)
    if size[0] * size[1] > 8192 * 8192:
        with pytest.raises(DecodeError, match="over the limit") as caught:
            open_media(path)
        assert "decode.max_pixels" in caught.value.remedy


def test_a_picture_that_grows_over_the_limit_midway_is_not_scaled(tmp_path: Path) -> None:
    clip = synth.growing_film(tmp_path / "film.mkv")
    with open_media(clip.path, max_pixels=64 * 48) as media:
        chunks = [c for c in media.stream(fps=10.0) if isinstance(c, Frames)]
        assert media.report.errors == 10 and media.report.partial
    assert sum(len(c.pts_s) for c in chunks) == 10


@pytest.mark.parametrize("rate", [1, 50, 1_577_074_304])
def test_an_absurd_sampling_rate_is_refused(tmp_path: Path, rate: int) -> None:
    # Resampling from 1.6 GHz took 30 s and 1.6 GB; from 1 Hz a second becomes hours.
    path = synth.write(tmp_path / "sound.wav", wave=synth.tone(440, 0.5))
    data = bytearray(path.read_bytes())
    data[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DecodeError, match="no sound that could be read"):
        open_media(path)


def test_a_stream_that_appears_midway_costs_nothing(tmp_path: Path) -> None:
    """One packet of FLV claims another codec: a stream that was not there when it was opened."""
    path = synth.write(
        tmp_path / "film.flv", times=synth.steady(8.0), codec="flv", pixels="yuv420p",
        wave=synth.tone(440, 8.0, 44_100), rate=44_100, sound_codec="libmp3lame",
    )  # fmt: skip
    data, at, tags = bytearray(path.read_bytes()), 13, []
    while at + 11 < len(data):
        tags.append(at)
        at += 15 + int.from_bytes(data[at + 1 : at + 4], "big")
    middle = next(at for at in tags[len(tags) // 2 :] if data[at] == 8)  # sound
    data[middle + 11] = 0xAF  # AAC, in the midst of MP3
    path.write_bytes(data)
    with pytest.raises(IndexError), av.open(str(path)) as container:
        list(container.demux(*container.streams))  # else nothing is tested here
    with open_media(path) as media:
        assert media.plan(fps=25.0).packets == 200
        chunks = list(media.stream(fps=25.0))
    assert sum(len(c.pts_s) for c in chunks if isinstance(c, Frames)) == 200
    assert sum(len(c.samples) for c in chunks if isinstance(c, Sound)) > 7.9 * synth.RATE_HZ


def test_more_streams_than_any_film_has_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("pcm_u8", rate=8000, layout="mono") for _ in range(201)]
        for stream in streams:
            frame = synth.audio_frame(synth.tone(440, 0.01, 8000), rate=8000, format="u8")
            out.mux(stream.encode(frame))
    with pytest.raises(DecodeError, match="201 streams are over the limit of 200") as caught:
        open_media(path)
    assert caught.value.path == str(path) and caught.value.remedy


_STARVED = """
import resource, sys
from pathlib import Path
from triptych.decode.container import open_container
from triptych.errors import TriptychError

open_container(sys.argv[1]).close()  # what it needs once is there
held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (held + 1_000_000, resource.RLIM_INFINITY))
try:
    open_container(sys.argv[2])
except TriptychError as err:
    print(type(err).__name__, err.retryable, err.message)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_want_of_memory_at_the_opening_is_no_damage(tmp_path: Path) -> None:
    small = synth.write(tmp_path / "small.mkv", times=[0.0])
    # Its table of pictures, which is read at once, takes more than there is.
    count = 300_000
    large = tmp_path / "large.mov"
    large.write_bytes(
        film_header(b"jpeg", size=(96, 64), sizes=[1] * count, stays=[1] * count, ticks_a_second=25)
        + bytes(count)
    )
    told = subprocess.run(
        [sys.executable, "-c", _STARVED, str(small), str(large)],
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert told.stdout == "ResourceError True memory ran out\n", told.stderr
