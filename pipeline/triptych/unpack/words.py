"""cues.vtt and cues.jsonl: what is said, from the film's own subtitles and those beside it."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

from triptych.decode.cues import merge_cues, read_sidecar
from triptych.decode.sidecar import find_sidecars, language_of
from triptych.errors import TriptychError
from triptych.records import Cue
from triptych.report.captions import vtt_text

__all__ = ["Words"]


class Words:
    """The cues of one film. They are kept in memory: about 1 MB for an hour of talk."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._found: list[tuple[Cue, str]] = []  # with the file's name, where it is another

    def write(self, cue: Cue) -> None:
        """Add a cue of the film's own."""
        self._found.append((cue, ""))

    def read_beside(self, media: Path, *, zero_s: float, start_s: float, end_s: float) -> None:
        """Add those of all subtitle files beside the film, on its clock.

        Args:
            media: the film.
            zero_s: its start on the container's clock.
            start_s: of the window, on that clock.
            end_s: of the window.
        """
        for path in find_sidecars(media):
            try:
                read = read_sidecar(path, language=language_of(path, media), offset_s=zero_s)
            except TriptychError as err:
                self.warnings.append(f"{path.name}: {err.message}")
                continue
            if read.dropped:
                self.warnings.append(f"{path.name}: {read.dropped} malformed cues were left out")
            if not read.cues:
                self.warnings.append(f"{path.name}: no cues in it")
            within = (c for c in read.cues if c.end_s > start_s and c.start_s < end_s)
            self._found += [(cue, path.name) for cue in within]

    def __len__(self) -> int:
        return len(self._found)

    def sources(self) -> list[dict[str, Any]]:
        """Where cues come from, and how many."""
        counts = Counter((c.source, file, c.language) for c, file in self._found)
        return [
            {"source": source, "file": file or None, "language": language, "cues": count}
            for (source, file, language), count in sorted(counts.items())
        ]

    def finish(self, folder: Path, *, zero_s: float) -> None:
        """Write both files, or none where nothing is said.

        cues.jsonl has every cue of every source; in cues.vtt those that say the same at the
        same time are one.

        Raises:
            OSError: the disk will not have them.
        """
        rows = [dataclasses.asdict(cue) | {"file": file or None} for cue, file in self._found]
        if not rows:
            return
        for row in rows:
            del row["words"]  # no subtitle has the times of words
        rows.sort(key=itemgetter("start_s", "end_s", "source", "language", "text"))
        (folder / "cues.jsonl").write_bytes(_lines(rows))
        text = vtt_text(merge_cues(c for c, _ in self._found), zero_s, named=True)
        if text:
            (folder / "cues.vtt").write_bytes(text.encode("utf-8", "replace"))


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
    # A file's name may hold bytes that are no text; JSON knows the escapes.
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return text.encode("utf-8", "backslashreplace")
