"""One decode, many extractors: every record goes to all that take it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from triptych.decode.lane import Pictures
from triptych.decode.media import Chunk, Media
from triptych.decode.parameters import RATE_HZ
from triptych.errors import UsageError
from triptych.events import Stopwatch, stage
from triptych.extract.registry import Extraction, Extractor, load
from triptych.extract.rows import SHORTEST_S
from triptych.extract.specs import (
    DENSE_FPS,
    DENSE_SIDE,
    GLANCE_FPS,
    GLANCE_SIDE,
    MINIATURE_FPS,
    MINIATURE_SIDE,
    STILL_FPS,
    STILL_SIDE,
)
from triptych.records import (
    Cue,
    FeatureTrack,
    Footage,
    Frames,
    Glances,
    Luma,
    Miniatures,
    Sound,
    Spectrogram,
    Stills,
)

__all__ = ["extract", "pump"]

_ALSO: dict[type[Pictures], tuple[float, int]] = {
    Miniatures: (MINIATURE_FPS, MINIATURE_SIDE),
    Stills: (STILL_FPS, STILL_SIDE),
}


def extract(
    media: Media,
    extractors: Iterable[str] = ("image", "audio"),
    *,
    step_s: float = 1.0,
    **options: Any,
) -> dict[str, FeatureTrack]:
    """Run extractors over one pass of an open file.

    Args:
        media: what `open_media` gave.
        extractors: names; see `triptych models`.
        step_s: length of the rows of those whose rows follow a clock, such as audio; 0.1 or more.
        options: of `Media.stream`, for example `fps=2.0`.

    Returns:
        Tracks by name. Of a modality that the file lacks there is a track with no rows.

    Raises:
        UsageError: an unknown name.
        WeightsError: weights are not installed.
        DecodeError: nothing could be decoded.
        ValueError: `step_s` is too short.
    """
    return pump(media, {name: load(name) for name in extractors}, step_s=step_s, **options)


def pump(
    media: Media,
    extractors: Mapping[str, Extractor],
    *,
    step_s: float = 1.0,
    watch: Stopwatch | None = None,
    **options: Any,
) -> dict[str, Any]:
    """`extract` for loaded extractors; returns whatever each of them returns.

    Pictures, sound or text that nobody takes are not decoded.
    """
    if not step_s >= SHORTEST_S:
        raise ValueError(f"{step_s = }, wanted {SHORTEST_S} or more")
    takes = {t for e in extractors.values() for t in e.takes}
    running: list[tuple[str, Extractor, Extraction]] = []
    for name, extractor in extractors.items():
        coroutine = extractor(step_s=step_s)
        next(coroutine)
        running.append((name, extractor, coroutine))
    chunks = iter(
        media.stream(
            pictures=Frames in takes,
            sound=Sound in takes or Spectrogram in takes,
            text=Cue in takes,
            rates_hz=_rates(extractors.values()),
            dense_fps=DENSE_FPS if Luma in takes else None,
            dense_side=DENSE_SIDE,
            glance_fps=GLANCE_FPS if Glances in takes else None,
            glance_side=GLANCE_SIDE,
            also={
                **{kind: how for kind, how in _ALSO.items() if kind in takes},
                **_footage(extractors),
            },
            **options,
        )
    )
    try:
        while True:
            with stage("decode", media.path, watch):
                chunk = next(chunks, None)
            if chunk is None:
                break
            for name, extractor, coroutine in running:
                if _is_for(extractor, chunk):
                    with stage(name, media.path, watch):
                        coroutine.send(chunk)
        return _results(running, media, watch)
    finally:
        for _, _, coroutine in running:
            coroutine.close()


def _rate_of(extractor: Extractor) -> int:
    return getattr(extractor, "rate_hz", RATE_HZ)


def _rates(extractors: Iterable[Extractor]) -> tuple[int, ...]:
    """Of the sound that they take; a spectrogram is made of sound at 16 kHz."""
    of_sound = {_rate_of(e) for e in extractors if Sound in e.takes}
    of_columns = {RATE_HZ for e in extractors if Spectrogram in e.takes}
    return tuple(sorted(of_sound | of_columns))


def _footage(extractors: Mapping[str, Extractor]) -> dict[type[Pictures], tuple[float, int]]:
    """How many pictures a second, and how large, for those that look at movement."""
    takers = {name: e for name, e in extractors.items() if Footage in e.takes}
    wanted: set[tuple[float, int]] = {getattr(e, "footage") for e in takers.values()}  # noqa: B009
    if len(wanted) > 1:
        raise UsageError(
            f"{' and '.join(sorted(takers))} want footage of different rates or sizes",
            remedy="leave one of them out, and run again with it",
        )
    return dict.fromkeys([Footage], wanted.pop()) if wanted else {}


def _is_for(extractor: Extractor, chunk: Chunk) -> bool:
    if isinstance(chunk, Sound) and chunk.rate_hz != _rate_of(extractor):
        return False
    return isinstance(chunk, extractor.takes)


def _results(
    running: list[tuple[str, Extractor, Extraction]], media: Media, watch: Stopwatch | None
) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name, _, coroutine in running:
        with stage(name, media.path, watch):
            try:
                coroutine.send(None)
            except StopIteration as end:
                _check_finite(end.value)
                results.update(end.value)
            else:
                raise RuntimeError(f"the extractor {name!r} did not return when told to")
    return results


def _check_finite(tracks: Mapping[str, Any]) -> None:
    """Nothing that is no number is kept: every answer made of it would be none either."""
    for name, track in tracks.items():
        if isinstance(track, FeatureTrack) and not np.isfinite(track.values).all():
            raise ValueError(f"the track {name!r} holds figures that are no numbers")
