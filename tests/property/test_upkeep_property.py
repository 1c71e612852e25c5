"""Whatever lies in a store, pruning keeps the limit, the order and the runs that are at work."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from triptych.features import entry_key
from triptych.features.jobs import _SLACK_S, in_use
from triptych.features.layout import entry_path
from triptych.features.upkeep import prune, stats

HOUR_S, DAY_S = 3600, 86400
ORDER = ("scratch", "damaged", "entry")
AGES_S = st.integers(-2 * DAY_S, 5 * DAY_S)  # files of the future, too
FILES = st.lists(
    st.tuples(
        st.sampled_from(["entry", "entry", "damaged", "scratch"]), st.integers(0, 99), AGES_S
    ),
    max_size=12,
)


def made(root: Path, number: int, state: str, size: int, used_s: float) -> Path:
    digest = hashlib.sha256(bytes([number])).hexdigest()
    path = entry_path(root, entry_key("made", digest, {}))
    if state == "damaged":
        path = path.with_suffix(".damaged")
    elif state == "scratch":
        path = path.with_name(f".part-0123456789ab-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (used_s, used_s))
    return path


@given(FILES, st.integers(0, 600), st.none() | st.integers(0, 4 * DAY_S))
def test_pruning(
    files: list[tuple[str, int, int]], max_bytes: int, run_began_s_ago: int | None
) -> None:
    now = time.time()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        known = {
            made(root, i, state, size, now - age_s): (state, size, now - age_s)
            for i, (state, size, age_s) in enumerate(files)
        }
        since = math.inf
        with in_use(root):
            (job,) = (root / ".jobs").iterdir()
            if run_began_s_ago is None:
                job.unlink()
            else:
                began_s = now - run_began_s_ago
                since = began_s - HOUR_S - _SLACK_S
                job.write_text(json.dumps(json.loads(job.read_text()) | {"began_s": began_s}))
            done = prune(root, max_bytes=max_bytes)
        left = {path for path in root.rglob("*") if path.is_file()}
        found = stats(root)
    removed = known.keys() - left

    def held(paths: set[Path]) -> int:
        return sum(known[path][1] for path in paths)

    assert left <= known.keys()
    assert done.left.bytes == held(left) and done.removed.bytes == held(removed)
    assert found.entries.bytes + found.damaged.bytes + found.scratch.bytes == held(left)
    assert done.over_bytes == max(0, held(left) - max_bytes)
    spared = {
        path
        for path, (state, _, used_s) in known.items()
        if (state == "entry" and used_s >= since) or (state == "scratch" and used_s > now - DAY_S)
    }
    assert not spared & removed
    if done.over_bytes:
        assert left == spared
    ranks = {p: (ORDER.index(known[p][0]), known[p][2], p) for p in known.keys() - spared}
    if removed:
        last = max(removed, key=ranks.__getitem__)
        assert held(left | {last}) > max_bytes, "more than was asked for"
        assert all(ranks[path] >= ranks[last] for path in left - spared), "not the oldest first"
