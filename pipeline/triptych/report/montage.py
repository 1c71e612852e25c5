"""A reel of a whole folder: the best moment of each of its videos, told by their analysis.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from triptych.errors import InputError, TriptychError, UsageError
from triptych.records import FRAMES, MediaInfo
from triptych.report.cut import StretchReader
from triptych.report.files import published
from triptych.report.mixer import Mark, reel_size
from triptych.report.reel import Piece, write_pieces
from triptych.report.text import one_line

__all__ = ["Film", "Moment", "choose", "read_film", "results_in", "write_montage"]

_LEAST_S = 1.5  # of a moment that was shortened; with too many videos some are left out instead
_TITLE = 60


class Moment(NamedTuple):
    """A key moment, on the clock of its container."""

    start_s: float
    end_s: float
    score: float

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A video of the folder and its key moments, the best first."""

    title: str
    media: Path
    info: MediaInfo
    duration_s: float
    moments: tuple[Moment, ...]


def results_in(folder: Path) -> list[Path]:
    """Folders of the videos that were analysed, in folder order."""
    return sorted((path.parent for path in folder.rglob("analysis.json")), key=lambda p: p.parts)


def read_film(folder: Path) -> Film:
    """One video by its analysis.json.

    Raises:
        InputError: that is damaged, or the video is gone.
        DecodeError: the video is damaged.
    """
    try:
        data = json.loads((folder / "analysis.json").read_bytes().decode("utf-8", "replace"))
        source = data["source"]
        media = _media(source, folder)
        told: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in source["media"].items()
        }
        moments = [
            Moment(float(s["start_s"]), float(s["end_s"]), float(s["score"]))
            for s in data["summary"]["segments"]
        ]
        film = Film(
            title=one_line(Path(str(source["relative"])).stem)[:_TITLE],
            media=media,
            info=MediaInfo(path=str(media), **told),
            duration_s=float(source["duration_s"]),
            moments=tuple(sorted(moments, key=lambda m: (-m.score, m.start_s))),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        if isinstance(err, TriptychError):
            raise
        raise InputError(
            "its analysis.json cannot be read",
            path=folder,
            remedy="run triptych on its video again",
        ) from err
    with StretchReader(
        media, lambda streams: streams.video or streams.audio, frames_fps=film.info.frames_fps
    ):
        return film


def _media(source: dict[str, Any], folder: Path) -> Path:
    """Where the video is: beside its results as it was then, or where its path says."""
    href = unquote_to_bytes(str(source.get("href", "")))
    for path in (folder / Path(href.decode("utf-8", "surrogateescape")), Path(source["path"])):
        if path.is_file() or (path.is_dir() and source["media"]["container"] == FRAMES):
            return path
    raise InputError("the video is gone", path=source["path"], remedy="put it back where it was")


def choose(films: Sequence[Film], length_s: float) -> list[tuple[int, Moment]]:
    """(film, moment) in the order to show: the best moment of each, then the second best.

    When the best moments together are too long, the longest are shortened; when that would make
    flickers of them, some films are left out, evenly over the folder.

    Args:
        films: in folder order.
        length_s: of the reel, at most.
    """
    having = [i for i, film in enumerate(films) if film.moments]
    most = max(1, int(length_s / _LEAST_S + 1e-9))
    if len(having) > most:
        having = [having[round(k * (len(having) - 1) / max(1, most - 1))] for k in range(most)]
    share_s = _share([films[i].moments[0].length_s for i in having], length_s)
    chosen = [(i, _begun(films[i].moments[0], share_s)) for i in having]
    left_s = length_s - sum(moment.length_s for _, moment in chosen)
    for rank in range(1, max((len(films[i].moments) for i in having), default=0)):
        for i in having:
            moment = films[i].moments[rank] if rank < len(films[i].moments) else None
            if moment is not None and moment.length_s <= left_s + 1e-6:
                chosen.append((i, moment))
                left_s -= moment.length_s
    return sorted(chosen)


def _share(lengths: Sequence[float], budget_s: float) -> float:
    """The length to which the longest are cut, so that all together keep to the budget."""
    left_s = budget_s
    for rank, length in enumerate(sorted(lengths)):
        if length * (len(lengths) - rank) > left_s:
            return left_s / (len(lengths) - rank)
        left_s -= length
    return max(lengths, default=0.0)


def _begun(moment: Moment, longest_s: float) -> Moment:
    return moment._replace(end_s=min(moment.end_s, moment.start_s + longest_s))


def write_montage(path: Path, films: Sequence[Film], *, length_s: float) -> dict[str, Any]:
    """Write the reel.

    Sound alone is left out where there are pictures to see.

    Args:
        path: the MP4 file.
        films: in folder order.
        length_s: at most.

    Returns:
        `seconds`, `videos` (that are in it), `moments`, `sound_only` (films without pictures, that
        are not).

    Raises:
        UsageError: there is no key moment, or the file is one of the videos.
        OutputError: it cannot be written.
    """
    for film in films:
        if path.exists() and path.samefile(film.media):
            raise UsageError("this is one of the videos", path=path, remedy="name another file")
    pictured = [film for film in films if film.info.video] or list(films)
    chosen = choose(pictured, length_s)
    if not chosen:
        raise UsageError("no key moment to show", remedy="analyse videos that are not empty")
    pieces = [
        Piece(
            media=pictured[i].media,
            info=pictured[i].info,
            start_s=moment.start_s,
            end_s=moment.end_s,
        )
        for i, moment in chosen
    ]
    with published(path) as scratch:
        write_pieces(
            scratch,
            pieces,
            size=_size(pieces),
            fps=max((piece.info.fps or 0.0 for piece in pieces), default=0.0),
            marks=list(_marks(pictured, chosen)),
        )
    return {
        "seconds": round(sum(moment.length_s for _, moment in chosen), 3),
        "videos": len({i for i, _ in chosen}),
        "moments": len(chosen),
        "sound_only": len(films) - len(pictured),
    }


def _size(pieces: Sequence[Piece]) -> tuple[int, int]:
    """The largest picture of those that lie, or stand, as most of the reel does."""
    seen = [(reel_size(p.info.width, p.info.height), p) for p in pieces if p.info.video]
    if not seen:
        return 0, 0
    lying = sum(p.end_s - p.start_s for (w, h), p in seen if w >= h)
    standing = sum(p.end_s - p.start_s for (w, h), p in seen if w < h)
    fitting = [(w, h) for (w, h), _ in seen if (w >= h) == (lying >= standing)]
    return max(fitting, key=lambda size: (size[0] * size[1], size))


def _marks(films: Sequence[Film], chosen: Sequence[tuple[int, Moment]]) -> Iterator[Mark]:
    at_s, latest = 0.0, -1
    for i, moment in chosen:
        if i != latest:
            yield Mark(at_s, films[i].title or str(i + 1))
        at_s, latest = at_s + moment.length_s, i
