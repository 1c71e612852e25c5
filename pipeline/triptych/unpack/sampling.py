"""Which frames are wanted of one film, and what its table says of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from triptych.decode.media import Media
from triptych.decode.precision import Precision
from triptych.decode.sampling import (
    TOLERANCE_S,
    Every,
    Film,
    Fps,
    Keyframes,
    Policy,
    Shots,
    Times,
    sample_of,
)
from triptych.extract.cuts import find_cuts
from triptych.records import Times as Seconds
from triptych.unpack.wishes import Wishes

__all__ = ["Sampled", "options"]


def options(wishes: Wishes, policy: Policy) -> dict[str, Any]:
    """What `Media.stream` and `Media.plan` are to be told."""
    told: dict[str, Any] = {"sample": policy, "precision": Precision(wishes.precision)}
    if wishes.precision == "near":
        told["tolerance_s"] = wishes.tolerance_s
    return told


class Sampled:
    """The frames of one film that are wanted.

    Args:
        media: the film; only its packets are looked at, but for `shots`.
        wishes: what is wanted.
        start_s: of the window, on the container's clock.
        end_s: of the window.
    """

    def __init__(self, media: Media, wishes: Wishes, *, start_s: float, end_s: float) -> None:
        self._exact = wishes.precision == "exact"
        self._start_s = start_s
        self._step_s: float | None = None  # between wanted times, where they have no end
        self._times: Seconds = np.zeros(0)
        self._keys: frozenset[float] | None = None
        self._taken = 0
        self.policy = sample_of(wishes.sample)
        if isinstance(self.policy, Fps):
            self._step_s = 1 / self.policy.fps
        elif isinstance(self.policy, Every):
            self._step_s = self.policy.seconds
        elif isinstance(self.policy, Times):
            film = Film(start_s=start_s, end_s=end_s, origin_s=media.info.start_s)
            times = self.policy.times(film)
            self._times = times[times >= start_s - TOLERANCE_S]
        elif media.streams.video is not None:
            self._looked_up(media, start_s, end_s)

    def _looked_up(self, media: Media, start_s: float, end_s: float) -> None:
        """Find the wanted times in what the packets say."""
        film = media.film(start_s=start_s, end_s=end_s)
        if isinstance(self.policy, Shots):
            cuts = find_cuts(
                media.path, start_s=start_s, end_s=end_s, frames_fps=media.info.frames_fps
            )
            self.policy = Shots(self.policy.per_shot, cuts_s=cuts)
        self._keys = frozenset(round(time_s, 6) for time_s in film.keys_s)
        self._times = self.policy.times(film)
        given = tuple((self._times - film.origin_s).tolist())
        if given and given[0] >= 0 and not isinstance(self.policy, Keyframes):
            self.policy = Times(given)  # so that nobody looks the packets through once more

    def facts_of(self, time_s: float) -> tuple[float | None, bool | None]:
        """The time that the next frame is wanted for and whether it is a key frame, if known."""
        first = self._taken == 0
        self._taken += 1
        key = None if self._keys is None else round(time_s, 6) in self._keys
        if not self._exact:  # it may be wanted for a time after its own
            return None, key
        if self._step_s is not None:
            steps = np.ceil((time_s - self._start_s - TOLERANCE_S) / self._step_s)
            return self._start_s + (0 if first else max(0.0, float(steps))) * self._step_s, key
        at = 0 if first else int(np.searchsorted(self._times, time_s - TOLERANCE_S))
        return (float(self._times[at]) if at < len(self._times) else None), key
