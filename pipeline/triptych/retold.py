"""A summary in the words of a language model, each sentence with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Claim", "Ground", "Retold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Something that was seen or said, which the model was given to write from."""

    kind: Literal["cue", "frame"]
    start_s: float
    end_s: float
    text: str  #: what was said, or the label of what is seen
    cue: int | None = None  #: which of the cues, from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A generated sentence and its grounds; at least one."""

    text: str
    grounds: tuple[Ground, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    """What a language model wrote; nothing of it was measured."""

    model: str
    claims: tuple[Claim, ...]
    dropped: int  #: sentences that named no ground, or one that there is not

    @property
    def text(self) -> str:
        """All sentences."""
        return " ".join(claim.text for claim in self.claims)
