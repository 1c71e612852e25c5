"""Sound -> recognised sentences, for videos that bring no words of their own.

faster-whisper on the packaged weights: voice activity gates it (Whisper invents sentences over
music and noise), greedy decoding without random fallbacks keeps it reproducible, and looping
output is dropped.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import numpy as np

from triptych.extract.registry import Extraction
from triptych.extract.whisper import own_whisper, whisper
from triptych.records import Cue, Floats, Sound

__all__ = ["SpeechRecognizer"]

log = logging.getLogger(__name__)

_RATE_HZ = 16_000
_MOST = 120 * _RATE_HZ  # samples recognised at once: memory does not grow with the length
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
        from faster_whisper.vad import get_speech_timestamps

        starts = [int(s["start"]) for s in get_speech_timestamps(samples)]
        late = [s for s in starts if s > len(samples) // 2]
        return late[-1] if late else len(samples)

    def _recognize(self, samples: Floats, start_s: float, language: str) -> tuple[list[Cue], str]:
        from faster_whisper.vad import get_speech_timestamps

        if not get_speech_timestamps(samples):
            return [], language  # detecting a language in silence would cost a whole encoder pass
        segments, info = self._transcribe(samples, language)
        if not language and info.language in _PROMPTS:
            # Nothing is decoded yet: segments come from a generator.
            segments, info = self._transcribe(samples, info.language)
        end_s = start_s + len(samples) / _RATE_HZ
        cues = [
            Cue(
                start_s=round(min(start_s + s.start, end_s), 3),
                end_s=round(min(max(start_s + s.end, start_s + s.start), end_s), 3),
                text=s.text.strip(),
                source="asr",
                language=info.language,
            )
            for s in segments
            if _plausible(s)
        ]
        return cues, info.language

    def _transcribe(self, samples: Floats, language: str) -> tuple[Any, Any]:
        segments, info = self._model.transcribe(
            samples,
            language=language or None,
            beam_size=1,
            temperature=0.0,
            vad_filter=True,
            condition_on_previous_text=False,
            initial_prompt=_PROMPTS.get(language),
        )
        return segments, info


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
