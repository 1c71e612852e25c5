"""Sound -> recognised sentences with the times of their words, for videos that bring no words.

faster-whisper on the packaged weights: voice activity gates it (Whisper invents sentences over
music and noise), greedy decoding without random fallbacks keeps it reproducible, and looping
output is dropped. It hears windows of up to half a minute that end in pauses, without the tokens
in which Whisper writes times: those of words come from its attention, and sentences are made of
words. So nothing is cut at the edge of a window, and it is a little faster.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from triptych.extract.registry import Extraction
from triptych.extract.spoken import cues_of, whole_words
from triptych.extract.whisper import own_whisper, whisper
from triptych.records import Cue, Floats, Sound, Word

__all__ = ["SpeechRecognizer"]

log = logging.getLogger(__name__)

_RATE_HZ = 16_000
_MOST = 120 * _RATE_HZ  # samples recognised at once: memory does not grow with the length
_PAUSE_MS = 160  # of those that windows may end in
_TELLING_S = 15  # of speech tell its language as well as 30 do, for a third of the time
_LOOPING = 2.4  # compression ratio of a text that repeats itself, Whisper's own limit
_UNLIKELY = -1.0  # mean log-probability below which silence is the better guess
# Over music and noise Whisper likes to hear "Hmm": a lone short word is believed only where the
# model itself does not rather hear no speech.
_SHORT, _DOUBTFUL = 8, 0.5
# Whisper writes traditional characters for some Mandarin; a simplified prompt settles it.
_PROMPTS = {"zh": "以下是普通话的句子。"}


class SpeechRecognizer:
    """Sound to cues. The language is detected in the first speech and kept."""

    takes: ClassVar[tuple[type, ...]] = (Sound,)

    def __init__(self, language: str = "", *, model: str = "") -> None:
        """Load a model.

        Args:
            language: that is spoken; empty: heard.
            model: of the user's own; empty: the packaged one.
        """
        self._language = language
        self._model = own_whisper(model) if model else whisper()

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        cues: list[Cue] = []
        held, start_s, language = np.zeros(0, np.float32), 0.0, self._language
        while (sound := (yield)) is not None:
            if not len(held):
                start_s = sound.start_s
            held = np.concatenate([held, sound.samples])
            if len(held) >= _MOST:
                cut = self._pause(held)
                found, language = self._recognize(held[:cut], start_s, language)
                cues.extend(found)
                held, start_s = held[cut:], start_s + cut / _RATE_HZ
        if len(held):
            cues.extend(self._recognize(held, start_s, language)[0])
        return {"asr": _without_loops(cues)}

    def _pause(self, samples: Floats) -> int:
        """Where to cut: the last pause in the second half, or the end."""
        starts = [int(part["start"]) for part in _spoken_parts(samples)]
        late = [s for s in starts if s > len(samples) // 2]
        return late[-1] if late else len(samples)

    def _recognize(self, samples: Floats, start_s: float, language: str) -> tuple[list[Cue], str]:
        parts = _spoken_parts(samples)
        if not parts:
            return [], language  # detecting a language in silence would cost an encoder pass
        if not language:
            language = self._language_of(
                np.concatenate([samples[part["start"] : part["end"]] for part in parts])
            )
        end_s = start_s + len(samples) / _RATE_HZ
        cues = [
            cue
            for segment in self._transcribed(samples, language)
            if _plausible(segment)
            for cue in cues_of(_timed(segment, start_s, end_s), language=language)
        ]
        return cues, language

    def _language_of(self, speech: Floats) -> str:
        from faster_whisper.audio import pad_or_trim

        if not self._model.model.is_multilingual:
            return "en"
        extractor = self._model.feature_extractor
        features = extractor(speech[: _TELLING_S * _RATE_HZ])
        states = self._model.encode(
            pad_or_trim(features, _TELLING_S * _RATE_HZ // extractor.hop_length)
        )
        token = self._model.model.detect_language(states)[0][0][0]
        return str(token).strip("<|>")

    def _transcribed(self, samples: Floats, language: str) -> Iterator[Any]:
        from faster_whisper import BatchedInferencePipeline

        segments, _ = BatchedInferencePipeline(self._model).transcribe(
            samples,
            language=language,
            batch_size=1,  # more take memory, and on one core no less time
            beam_size=1,
            temperature=0.0,
            vad_parameters={"min_silence_duration_ms": _PAUSE_MS},
            word_timestamps=True,
            initial_prompt=_PROMPTS.get(language),
        )
        yield from segments


def _spoken_parts(samples: Floats) -> Sequence[dict[str, Any]]:
    """Stretches of speech, `start` and `end` in samples."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(min_silence_duration_ms=_PAUSE_MS)
    parts: list[dict[str, Any]] = get_speech_timestamps(samples, options)
    return parts


def _timed(segment: Any, start_s: float, end_s: float) -> list[Word]:
    """Words on the container's clock, each beginning where the one before ends, or later."""
    words: list[Word] = []
    at = start_s
    for found in segment.words:
        begin = min(max(at, start_s + float(found.start)), end_s)
        at = min(max(begin, start_s + float(found.end)), end_s)
        if found.word.strip():
            words.append(Word(start_s=round(begin, 3), end_s=round(at, 3), text=found.word))
    return whole_words(words)


def _plausible(segment: Any) -> bool:
    """Whether a segment is likely to be something that was said."""
    text = segment.text.strip()
    if not text or segment.compression_ratio >= _LOOPING or segment.avg_logprob <= _UNLIKELY:
        return False
    single = len(text) < _SHORT and " " not in text
    return not (single and segment.no_speech_prob > _DOUBTFUL)


def _without_loops(cues: list[Cue]) -> tuple[Cue, ...]:
    """Drop a sentence that says the same as the two before it."""
    kept: list[Cue] = []
    for cue in cues:
        if len(kept) > 1 and kept[-1].text == kept[-2].text == cue.text:
            log.debug("dropped a repeated sentence at %.1f s", cue.start_s)
            continue
        kept.append(cue)
    return tuple(kept)
