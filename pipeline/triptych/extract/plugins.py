"""Other people's extractors: packages with an entry point of the group `triptych.extractors`.

The entry point has the extractor's name and leads to an `Entry` or a `Family`. Only the one that
is asked for is imported, so that a broken package harms nobody who does not use it.
"""

from __future__ import annotations

from collections import defaultdict
from importlib.metadata import EntryPoint, entry_points

from triptych.errors import UsageError
from triptych.extract.families import Family
from triptych.extract.specs import Entry

__all__ = ["GROUP", "distribution_of", "plugin", "plugin_points"]

GROUP = "triptych.extractors"


def plugin_points() -> dict[str, list[EntryPoint]]:
    """What packages offer, by name; nothing is imported."""
    found: dict[str, list[EntryPoint]] = defaultdict(list)
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        found[point.name].append(point)
    return dict(found)


def distribution_of(point: EntryPoint) -> str:
    """The package that an entry point came with, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"


def plugin(name: str) -> Entry | Family | None:
    """An extractor or family that a package offers; None where no package does.

    Raises:
        UsageError: the package is broken, or two packages offer this name.
    """
    points = plugin_points().get(name, [])
    if not points:
        return None
    by = " and ".join(sorted({distribution_of(point) for point in points}))
    if len({(point.value, distribution_of(point)) for point in points}) > 1:
        raise UsageError(
            f"the extractor {name!r} is offered more than once, by {by}",
            remedy="uninstall all but one",
        )
    try:
        found = points[0].load()
    except Exception as err:
        raise UsageError(
            f"the extractor {name!r} of the package {by} cannot be imported: "
            f"{type(err).__name__}: {err}",
            remedy="update or uninstall that package",
        ) from err
    if not isinstance(found, Entry | Family) or found.name != name:
        raise UsageError(
            f"the package {by} offers {name!r}, which is no Entry or Family of that name",
            remedy="update or uninstall that package",
        )
    return found
