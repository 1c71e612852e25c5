"""Sound -> EfficientAT's embedding and AudioSet's 527 tags, with weights that the user brings."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from triptych.errors import WeightsError
from triptych.extract.engine import Engine, load_engine
from triptych.extract.families.audioset import BANDS, COLUMNS_HZ, RATE_HZ, WINDOW_S, specs_of
from triptych.extract.kaldi import KaldiMel
from triptych.extract.registry import Extraction
from triptych.extract.row_windows import RowWindows
from triptych.extract.rows import row_spans
from triptych.extract.sources import Source
from triptych.records import FeatureTrack, Floats, Sound

if TYPE_CHECKING:
    from triptych_models import AudioSetMobileNet

__all__ = ["AudioSetExtractor"]


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
        self._source = source
        self._usual = self._engine(WINDOW_S * COLUMNS_HZ)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        columns = KaldiMel()
        windows = RowWindows(step_s=step_s, rate_hz=COLUMNS_HZ, window_s=WINDOW_S)
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
        usual = len(columns) == WINDOW_S * COLUMNS_HZ
        embedding, tags = (self._usual if usual else self._other)(columns[None])
        return embedding[0], tags[0]

    @functools.cached_property
    def _other(self) -> Engine:
        """For sound that is shorter than a window, and for longer steps."""
        return self._engine(-1)

    def _engine(self, length: int) -> Engine:
        return load_engine(
            functools.partial(_network, self._source),
            key=f"audioset-{self._source.sha256[:12]}-{length}",
            shape=(length, BANDS),
            dtype=np.float32,
            proven=False,
        )


def _network(source: Source) -> AudioSetMobileNet:
    import pickle

    import torch

    from triptych_models import AudioSetMobileNet

    try:
        state = torch.load(source.files[0], map_location="cpu", weights_only=True)
        return AudioSetMobileNet.of_published(state).eval()
    except (KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as err:
        raise WeightsError(
            f"these are no weights of an EfficientAT network: {str(err)[:200]}",
            path=source.path,
            remedy="give a file such as mn04_as_mAP_432.pt from the EfficientAT releases",
        ) from err
