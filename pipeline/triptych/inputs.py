"""INPUT arguments -> the files to work on, each with a place of its own in the output folder.

Inputs are files, folders, globs and manifests (csv or jsonl). A folder of numbered pictures is
one input, and a film once its rate is said. Only the standard library is imported: a folder that
is already finished must answer at once.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from triptych.errors import InputError, UsageError
from triptych.manifest import manifest_rows, rate_in, seconds_in, text_in
from triptych.numbered import are_numbered, is_picture, names_in

__all__ = ["Source", "find_folders", "find_sources"]

log = logging.getLogger(__name__)

_SUBTITLES = frozenset({".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".sbv"})
_RESULTS = frozenset({"index.html", "predictions.csv", "run.jsonl", "summary.json"})
_UNPACKED = b'"made_by": "triptych decode"'  # how media.json begins
_LONGEST_NAME = 255  # bytes, of most file systems
_MANIFESTS = frozenset({".csv", ".jsonl"})
_CARRIED = ("label", "split", "group")
_MEDIA = frozenset(
    [
        ".3g2",
        ".3gp",
        ".aac",
        ".aif",
        ".aiff",
        ".asf",
        ".avi",
        ".divx",
        ".f4v",
        ".flac",
        ".flv",
        ".m2ts",
        ".m4a",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".oga",
        ".ogg",
        ".ogv",
        ".opus",
        ".rm",
        ".rmvb",
        ".ts",
        ".vob",
        ".wav",
        ".webm",
        ".wma",
        ".wmv",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One thing to analyse: a file, a folder of numbered pictures, or a window of either."""

    path: Path
    relative: PurePosixPath  #: its folder below OUT
    expected: bool = True  #: named by the user, or by its ending, as media
    start_s: float | None = None  #: window, in seconds from the start of the film
    end_s: float | None = None
    extra: tuple[tuple[str, str], ...] = ()  #: label, split, group of a manifest's row
    #: its path below the folder that was given; empty for what was named by itself
    inside: PurePosixPath = field(default_factory=PurePosixPath)
    frames_fps: float | None = None  #: pictures a second; of folders, and only if it was said


def find_sources(
    inputs: Sequence[str | os.PathLike[str]],
    *,
    out: Path,
    frames_fps: float | None = None,
    columns: Sequence[str] = _CARRIED,
) -> list[Source]:
    """All files to look at, in a stable order, each once.

    Folders are walked recursively; hidden files, subtitle files and everything below `out`, or
    below the results of another run, are left out. Numbered pictures are one source, their
    folder. Whether the rest is media is decided when it is opened; links that lead nowhere, pipes
    and devices are told from files before that.

    Args:
        inputs: files, folders, globs and manifests.
        out: folder of the results.
        frames_fps: pictures a second of folders of numbered pictures, if they are films.
        columns: of manifests, whose cells sources carry.

    Raises:
        InputError: an input does not exist, or may not be read.
        UsageError: a manifest cannot be read.
    """
    found: list[Source] = []
    for text in (os.fspath(i) for i in inputs):
        if not text:  # Path("") is the working folder, which an unset variable hardly means
            raise InputError("an input is empty", remedy="check the command")
        path = Path(text)
        if not _is_there(path) and glob.has_magic(text):
            found.extend(_glob(text, out, frames_fps))
        elif os.path.isdir(path):
            _check_open(path)
            found.extend(_walk(path, out, frames_fps))
        elif os.path.isfile(path) and path.suffix.lower() in _MANIFESTS:
            found.extend(_manifest(path, frames_fps, columns))
        else:  # what is no regular file has a row of its own that says so
            found.append(Source(path=path, relative=PurePosixPath(path.name)))
    return _each_in_its_place(found)


def _is_there(path: Path) -> bool:
    """Whether there is anything of this name, be it a link that leads nowhere.

    Raises:
        InputError: there is not, and it is no pattern either; or nobody may look.
    """
    try:
        os.lstat(path)
        return True
    except (OSError, ValueError) as err:
        if glob.has_magic(str(path)):
            return False
        if isinstance(err, PermissionError):
            raise InputError(
                f"cannot read: {err.strerror}",
                path=path,
                remedy="check the permissions of the folders above it",
            ) from err
        raise InputError("no such file or folder", path=path, remedy="check the path") from err


def _check_open(folder: Path) -> None:
    try:
        os.scandir(folder).close()
    except OSError as err:
        raise InputError(
            f"the folder cannot be read: {err.strerror}",
            path=folder,
            remedy="check its permissions",
        ) from err


def find_folders(inputs: Sequence[str | os.PathLike[str]], *, out: Path) -> list[Path]:
    """The folders among `inputs`, each with all those that `find_sources` looks into."""
    roots = [path for text in inputs if (path := Path(text)).is_dir()]
    return [Path(os.path.abspath(here)) for root in roots for here, _ in _looked_into(root, out)]


def _walk(root: Path, out: Path, frames_fps: float | None) -> Iterator[Source]:
    for here, files in _looked_into(root, out):
        if one := are_numbered(files):
            named = here == root and not any(Path(n).suffix.lower() in _MEDIA for n in files)
            inside = PurePosixPath(here.relative_to(root).as_posix())
            yield Source(
                path=here,
                relative=inside if inside.name else PurePosixPath(_name_of(root)),
                expected=named or frames_fps is not None,
                inside=inside,
                frames_fps=frames_fps,
            )
        for name in sorted(files):
            path = here / name
            expected = path.suffix.lower() in _MEDIA
            if name.startswith(".") or path.suffix.lower() in _SUBTITLES:
                continue
            if one and is_picture(name):
                continue
            relative = PurePosixPath(path.relative_to(root).as_posix())
            yield Source(path=path, relative=relative, expected=expected, inside=relative)


def _name_of(folder: Path) -> str:
    return os.path.basename(os.path.abspath(folder)) or "frames"


@functools.cache  # once, however often a folder is looked through
def _tell_closed(folder: str, why: str | None) -> None:
    log.error("%s is left out with all that is in it: %s", folder, why)


def _looked_into(root: Path, out: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder that may hold inputs, with the names of its files."""
    out = out.resolve()

    def closed(err: OSError) -> None:
        _tell_closed(str(err.filename), err.strerror)

    for folder, names, files in os.walk(root, followlinks=True, onerror=closed):
        here = Path(folder)
        above = {here.resolve(), *here.resolve().parents}  # a link to one of them has no end
        names[:] = sorted(
            n
            for n in names
            if not n.startswith(".")
            and (real := (here / n).resolve()) != out
            and not _is_of_a_run(here / n)
            and not _is_unpacked(here / n)
            and not (os.path.islink(here / n) and real in above)
        )
        yield here, files


def _is_of_a_run(folder: Path) -> bool:
    """Whether a folder holds results: its reels are videos, and no input of another run."""
    rows, *others = (os.path.isfile(folder / n) for n in ("run.jsonl", "summary.json", ".lock"))
    return rows and any(others)


def _is_unpacked(folder: Path) -> bool:
    """Whether a folder holds what `triptych decode` wrote: its sound is no input either."""
    path = folder / "media.json"
    try:
        if not path.is_file():  # opening a pipe may never end
            return False
        with path.open("rb") as file:
            return _UNPACKED in file.read(64)
    except OSError:
        return False


def _glob(pattern: str, out: Path, frames_fps: float | None) -> list[Source]:
    fixed = Path(*_before_magic(Path(pattern)))
    out = out.resolve()
    found: list[Source] = []
    for name in sorted(glob.glob(pattern, recursive=True)):
        path = Path(name)
        if out in path.resolve().parents:
            continue
        film = frames_fps is not None and os.path.isdir(path) and are_numbered(names_in(path))
        if film or (not os.path.isdir(path) and path.suffix.lower() not in _SUBTITLES):
            relative = path.relative_to(fixed) if fixed != Path() else path
            parts = [p for p in relative.parts if p not in ("..", relative.anchor)]
            place = PurePosixPath(*parts)
            rate = frames_fps if film else None
            found.append(Source(path=path, relative=place, inside=place, frames_fps=rate))
    if not found:
        raise InputError("no file matches", path=pattern, remedy="check the pattern")
    return found


def _before_magic(path: Path) -> Iterator[str]:
    for part in path.parts[:-1]:
        if glob.has_magic(part):
            return
        yield part


def _manifest(path: Path, frames_fps: float | None, columns: Sequence[str]) -> Iterator[Source]:
    for number, row in manifest_rows(path):
        where = f"line {number}"
        name = str(row.get("path") or "").strip()
        if not name:
            raise UsageError(f"{where} has no path", path=path, remedy="a column 'path' is needed")
        media = Path(name) if os.path.isabs(name) else path.parent / name
        relative = PurePosixPath(
            *(p for p in Path(name).parts if p not in ("..", ".", Path(name).anchor))
        )
        if not relative.name:
            raise UsageError(f"{where}: {name!r} names no file", path=path)
        start_s, end_s = (seconds_in(row.get(k), f"{where}, {k}", path) for k in ("start", "end"))
        if start_s is not None or end_s is not None:
            if end_s is not None and end_s <= (start_s or 0.0):
                raise UsageError(f"{where}: end is not after start", path=path)
            span = f"@{_short(start_s or 0.0)}-{'' if end_s is None else _short(end_s)}"
            relative = relative.with_name(relative.name + span)
        extra = tuple(
            (k, text) for k in columns if (text := text_in(row.get(k), f"{where}, {k}", path))
        )
        rate = None
        if media.is_dir():  # of a file the column may say what it likes: its own times count
            rate = rate_in(row.get("fps"), f"{where}, fps", path) or frames_fps
        yield Source(
            path=media,
            relative=relative,
            start_s=start_s,
            end_s=end_s,
            extra=extra,
            frames_fps=rate,
        )


def _short(seconds: float) -> str:
    """Digits enough to tell any two windows apart."""
    return repr(seconds).removesuffix(".0")


def _each_in_its_place(found: Iterable[Source]) -> list[Source]:
    """Drop repetitions; give sources of one name different places, whatever their order."""
    unique: dict[tuple[str, float | None, float | None], Source] = {}
    for source in found:
        key = (os.path.abspath(source.path), source.start_s, source.end_s)
        if key in unique and unique[key].frames_fps != source.frames_fps:
            raise UsageError(
                f"two rates for one folder: {unique[key].frames_fps} and {source.frames_fps}",
                path=source.path,
                remedy="give one",
            )
        unique[key] = _with_labels_of(unique[key], source) if key in unique else source
    sources = [_beside_results(source) for source in unique.values()]
    for rename in (_with_parent, _with_hash):
        taken = Counter(s.relative for s in sources)
        sources = [rename(s) if taken[s.relative] > 1 else s for s in sources]
    return [_short_enough(source) for source in sources]


def _short_enough(source: Source) -> Source:
    """With a window behind it a file's name may be too long for a folder's."""
    name = source.relative.name
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return source
    tag = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    kept = os.fsencode(name)[: _LONGEST_NAME - 9].decode("utf-8", "ignore")
    return replace(source, relative=source.relative.with_name(f"{kept}~{tag}"))


def _beside_results(source: Source) -> Source:
    """Not where a run writes files of its own."""
    first, *rest = source.relative.parts
    if first.lower() not in _RESULTS:
        return source
    return replace(source, relative=PurePosixPath(f"{first}~", *rest))


def _with_labels_of(first: Source, again: Source) -> Source:
    """A file that is named twice, with what both say of it and the labels of both."""
    mine, theirs = dict(first.extra), dict(again.extra)
    labels = [t for e in (mine, theirs) for t in e.get("label", "").split("|") if t]
    both = theirs | mine
    if labels:
        both["label"] = "|".join(dict.fromkeys(labels))
    return replace(first, extra=tuple(both.items()))


def _with_parent(source: Source) -> Source:
    root = Path(os.path.abspath(source.path)).parents
    depth = len(source.relative.parts) - 1
    parent = root[depth].name if depth < len(root) else ""
    return replace(source, relative=PurePosixPath(parent or "root") / source.relative)


def _with_hash(source: Source) -> Source:
    tag = hashlib.sha256(os.fsencode(os.path.abspath(source.path))).hexdigest()[:8]
    relative = source.relative
    return replace(source, relative=relative.with_name(f"{relative.name}~{tag}"))
