"""Sound -> a row for each window of a network's own length, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from triptych.extract.registry import Extraction
from triptych.extract.rows import SHORTEST_S, RowCutter, row_spans
from triptych.records import FeatureTrack, Floats, Spec

__all__ = ["heard_in_windows"]


def heard_in_windows(
    specs: Sequence[Spec], hear: Callable[[Floats], Sequence[Floats]], *, rate_hz: int
) -> Extraction:
    """The run of an extractor whose rows are as long as the windows of its option `window_s`.

    What is left at the end is a shorter window, which the network's own preparation fills up;
    below a tenth of a second it is left out.

    Args:
        specs: of the tracks.
        hear: gives a row (D,) for each of them from the samples of one window.
        rate_hz: of the sound.
    """
    window_s = float(specs[0].options["window_s"])
    windows = RowCutter(step_s=window_s, rate_hz=rate_hz)
    rows: list[Sequence[Floats]] = []
    start_s, end_s = None, 0.0
    while (sound := (yield)) is not None:
        start_s = sound.start_s if start_s is None else start_s
        end_s = sound.end_s
        rows.extend(map(hear, windows.feed(sound.samples)))
    rows.extend(hear(rest) for rest in windows.finish() if len(rest) >= SHORTEST_S * rate_hz)
    starts, ends = row_spans(len(rows), start_s=start_s or 0.0, end_s=end_s, step_s=window_s)
    return {
        spec.name: FeatureTrack(
            values=np.stack([np.zeros(spec.dim, np.float32), *(row[i] for row in rows)])[1:],
            start_s=starts,
            end_s=ends,
            spec=spec,
        )
        for i, spec in enumerate(specs)
    }
