"""Sound -> EfficientAT's embedding and AudioSet's 527 tags, with weights that the user brings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from triptych.errors import WeightsError
from triptych.extract.families.audioset import BANDS, COLUMNS_HZ, RATE_HZ, WINDOW_S, specs_of
from triptych.extract.kaldi import KaldiMel
from triptych.extract.registry import Extraction
from triptych.extract.rows import first_unit, row_spans, rows_over
from triptych.extract.sources import Source
from triptych.records import FeatureTrack, Floats, Sound

if TYPE_CHECKING:
    from triptych_models import AudioSetMobileNet

__all__ = ["AudioSetExtractor", "RowWindows"]


class AudioSetExtractor:
    """One row a step, made of the 2 s around it.

    Windows of 10 s, as in training, name a whole clip better and smear what changes within it;
    of 1 s they name both worse (docs/decisions.md).
    """

    takes: ClassVar[tuple[type, ...]] = (Sound,)
    rate_hz: ClassVar[int] = RATE_HZ

    def __init__(self, source: Source) -> None:
        source.check()
        self._specs = specs_of(source)
        self._network = _network(source)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        columns, windows = KaldiMel(), RowWindows(step_s=step_s)
        rows: list[tuple[Floats, Floats]] = []
        start_s, end_s = None, 0.0
        while (sound := (yield)) is not None:
            start_s = sound.start_s if start_s is None else start_s
            end_s = sound.end_s
            rows.extend(map(self._heard, windows.feed(columns.feed(sound.samples))))
        rows.extend(map(self._heard, windows.feed(columns.finish())))
        rows.extend(map(self._heard, windows.finish()))
        starts, ends = row_spans(len(rows), start_s=start_s or 0.0, end_s=end_s, step_s=step_s)
        return {
            spec.name: FeatureTrack(
                values=np.stack([np.zeros(spec.dim, np.float32), *(row[i] for row in rows)])[1:],
                start_s=starts,
                end_s=ends,
                spec=spec,
            )
            for i, spec in enumerate(self._specs)
        }

    def _heard(self, columns: Floats) -> tuple[Floats, Floats]:
        """Embedding (D,) and probabilities (527,) of one window (T, BANDS)."""
        import torch

        with torch.inference_mode():
            embedding, tags = self._network(torch.from_numpy(np.ascontiguousarray(columns))[None])
        return embedding[0].numpy(), tags[0].numpy()


class RowWindows:
    """Cuts columns into windows around rows: as long as the row, and no shorter than WINDOW_S.

    At the ends of the sound windows keep their length and leave the middle, so that the network
    never hears a silence that is not there.
    """

    def __init__(self, *, step_s: float) -> None:
        self._step_s = step_s
        self._longest = max(WINDOW_S * COLUMNS_HZ, math.ceil(step_s * COLUMNS_HZ) + 1)
        self._row = self._first = 0  # the next row; the first column held
        self._held: Floats = np.zeros((0, BANDS), np.float32)

    def feed(self, columns: Floats) -> Iterator[Floats]:
        """Windows (T, BANDS) that `columns` complete, a row each."""
        self._held = np.concatenate([self._held, columns])
        end = self._first + len(self._held)
        while sum(place := self._place(self._row)) <= end:
            begin, length = place
            yield self._held[begin - self._first :][:length]
            self._row += 1
        spare = max(0, len(self._held) - self._longest)
        self._held, self._first = self._held[spare:], self._first + spare

    def finish(self) -> Iterator[Floats]:
        """Windows of the rows that are left: the last columns of all."""
        end = self._first + len(self._held)
        for row in range(self._row, rows_over(end, step_s=self._step_s, rate_hz=COLUMNS_HZ)):
            _, length = self._place(row)
            yield self._held[-length:]

    def _place(self, row: int) -> tuple[int, int]:
        """First column and length of a row's window."""
        begin, end = (
            first_unit(r, step_s=self._step_s, rate_hz=COLUMNS_HZ) for r in (row, row + 1)
        )
        length = max(WINDOW_S * COLUMNS_HZ, end - begin)
        return max(0, begin - (length - (end - begin)) // 2), length


def _network(source: Source) -> AudioSetMobileNet:
    import pickle

    import torch

    from triptych_models import AudioSetMobileNet

    try:
        state = torch.load(source.files[0], map_location="cpu", weights_only=True)
        return AudioSetMobileNet.of_published(state).eval()
    except (KeyError, RuntimeError, pickle.UnpicklingError) as err:
        raise WeightsError(
            f"these are no weights of an EfficientAT network: {str(err)[:200]}",
            path=source.path,
            remedy="give a file such as mn04_as_mAP_432.pt from the EfficientAT releases",
        ) from err
