"""What `triptych models` lists: extractors, families, weights and presets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triptych.errors import UsageError, WeightsError
from triptych.extract.families import Family
from triptych.extract.plugins import distribution_of, plugin, plugin_points
from triptych.extract.presets import PRESETS, load_preset
from triptych.extract.registry import families
from triptych.extract.sources import hub_folder, licence_of
from triptych.extract.specs import BUILTIN, Entry, missing_modules
from triptych.extract.weights import WEIGHTS, is_installed

__all__ = ["model_lines", "model_rows"]


def model_rows() -> list[dict[str, Any]]:
    """Extractors, families, presets and weights, as `triptych models --json` prints them."""
    extractors = [_extractor_row(e) for e in BUILTIN.values()]
    grown = [_family_row(family) for family in families().values()]
    sets = [load_preset(name) for name in PRESETS]
    presets = [
        {"kind": "preset", "id": p.name, "what": p.what, "extractors": list(p.extractors)}
        for p in sets
    ]
    weights = [
        {
            "kind": "weights",
            "id": w.id,
            "what": w.what,
            "licence": w.licence,
            "megabytes": w.megabytes,
            "sha256": w.sha256,
            "present": is_installed(w.id),
            "install": f"triptych[{w.extra}]",
        }
        for w in WEIGHTS.values()
    ]
    return [*extractors, *_plugin_rows(), *grown, *weights, *presets]


def model_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The same in words."""
    for row in rows:
        said = [] if row.get("present", True) else ["missing"]
        if row.get("install") and said:
            said = [f'missing: pip install "{row["install"]}"']
        if row["kind"] == "weights":
            said = [*(said or ["present"]), f"{row['megabytes']} MB", row["licence"]]
        if row["kind"] == "preset":
            said = [" ".join(row["extractors"])]
        if "package" in row:
            said.append(f"of {row['package']}")
        yield f"{row['kind']:9}  {row['id']:18}  {', '.join(said or ['present'])}"
        yield f"{'':11}{row['what']}"
        for model in row.get("models", ()):
            wanted = model["id"] if "/" in model["id"] else f"{row['id']}={model['id']}"
            said = [model["licence"] or ("licence not told" if model["present"] else "")]
            if not model["present"]:
                said.append(f"not here: {row['bring'] or f'triptych models fetch {wanted}'}")
            yield f"{'':11}{row['id']}={model['id']}: {', '.join(filter(None, said))}"


def _extractor_row(e: Entry) -> dict[str, Any]:
    return {
        "kind": "extractor",
        "id": e.name,
        "what": e.what,
        "tracks": {s.name: s.dim for s in e.specs},
        "present": not e.missing(),
        "install": f"triptych[{e.extra}]" if e.extra else "",
    }


def _family_row(family: Family) -> dict[str, Any]:
    found = {name: _folder(family, name) for name in family.examples}
    return {
        "kind": "family",
        "id": family.name,
        "what": family.what,
        "tracks": dict(family.tracks),
        "bring": family.bring,
        "present": not missing_modules(family.modules),
        "install": f"triptych[{family.extra}]" if family.extra else "",
        "models": [
            {"id": name, "present": bool(folder), "licence": _licence(family, name, folder)}
            for name, folder in found.items()
        ],
    }


def _licence(family: Family, name: str, folder: Path | None) -> str:
    if family.licence is not None:
        return family.licence(name)
    return licence_of(folder) if folder else ""


def _folder(family: Family, name: str) -> Path | None:
    """Where a model is, if it is here."""
    if family.fetch is None and not family.bring:
        return hub_folder(name)
    try:
        source = family.describe(name).source
    except (UsageError, WeightsError):
        return None
    return source.folder if source else None


def _plugin_rows() -> list[dict[str, Any]]:
    """What other packages bring; of one that is broken, why."""
    rows: list[dict[str, Any]] = []
    for name, points in plugin_points().items():
        try:
            found = plugin(name)
        except UsageError as err:
            row = {
                "kind": "extractor",
                "id": name,
                "what": str(err),
                "tracks": {},
                "present": False,
                "install": "",
            }
        else:
            assert found is not None
            row = _extractor_row(found) if isinstance(found, Entry) else _family_row(found)
        rows.append(row | {"package": distribution_of(points[0])})
    return rows
