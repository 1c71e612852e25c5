"""What the store returns is what was stored, whatever happens to its files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from synth import track
from triptych.features import FeatureStore
from triptych.features.store import Storable
from triptych.records import Cue, FeatureTrack, Spec, Thumbnails

KEY = "made-" + "0123456789abcdef" * 2

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
NOTES = st.dictionaries(st.text(), JSON, max_size=4)


@st.composite
def tracks(draw: st.DrawFn) -> FeatureTrack:
    rows, dim = draw(st.integers(0, 5)), draw(st.integers(1, 4))
    values = draw(hnp.arrays(np.float32, (rows, dim), elements=st.floats(width=32)))
    starts = sorted(draw(st.lists(st.floats(-1e6, 1e6), min_size=rows, max_size=rows)))
    lengths = draw(st.lists(st.floats(0, 100), min_size=rows, max_size=rows))
    spec = Spec(
        name=draw(st.text(min_size=1, max_size=6)),
        version=draw(st.integers(0, 5)),
        modality="audio",
        dim=dim,
        weights=draw(st.sampled_from(["", "ab" * 32])),
        options=draw(NOTES),
        columns=draw(st.sampled_from([(), tuple("abcd"[:dim])])),
    )
    return track(values, starts, np.add(starts, lengths), spec=spec)


@st.composite
def thumbnails(draw: st.DrawFn) -> Thumbnails:
    jpeg = draw(st.lists(st.binary(max_size=30), max_size=5))
    return Thumbnails(jpeg=tuple(jpeg), pts_s=np.arange(len(jpeg), dtype=np.float64))


CUES = st.lists(
    st.builds(
        lambda start, length, text: Cue(
            start_s=start, end_s=start + length, text=text, source="asr", language="en"
        ),
        st.floats(-1e6, 1e6), st.floats(0, 1e3), st.text(),
    ),
    max_size=5,
).map(tuple)  # fmt: skip
RECORDS = tracks() | thumbnails() | CUES | NOTES


def same(got: Storable | None, wanted: Storable) -> bool:
    if isinstance(wanted, FeatureTrack):
        return (
            isinstance(got, FeatureTrack)
            and got.spec == wanted.spec
            and all(
                getattr(got, n).tobytes() == getattr(wanted, n).tobytes()
                for n in ("values", "start_s", "end_s")
            )
        )
    if isinstance(wanted, Thumbnails):
        return isinstance(got, Thumbnails) and got.jpeg == wanted.jpeg
    return got == wanted


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@given(RECORDS)
@settings(deadline=None)
def test_what_was_stored_comes_back(store: FeatureStore, record: Storable) -> None:
    store.put(KEY, record)
    assert same(store.get(KEY), record)


@given(
    RECORDS,
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    ),
    st.sampled_from(["change", "cut", "insert"]),
)
@settings(max_examples=300)
def test_a_damaged_entry_is_never_taken_for_a_good_one(
    store: FeatureStore, record: Storable, damage: list[tuple[float, int]], kind: str
) -> None:
    store.put(KEY, record)
    path = store.path(KEY)
    data = bytearray(path.read_bytes())
    for where, byte in damage:
        at = int(where * len(data))
        if kind == "change":
            data[at] = byte
        elif kind == "cut":
            del data[at : at + 1 + byte % 16]
        else:
            data[at:at] = bytes([byte])
        if not data:
            break
    path.write_bytes(data)
    got = store.get(KEY)
    # A byte that means nothing (a blank of the header) may change: then all is as it was.
    assert got is None or same(got, record)
    assert path.exists() == (got is not None)
