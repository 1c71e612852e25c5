"""The law of the decode plan: what is decoded suffices for what is wanted, whatever the film."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from triptych.decode.bitstream import Entry, Mark
from triptych.decode.plan import Fact, Judged, Planner, Reason
from triptych.decode.precision import Precision, Snap
from triptych.decode.sampler import Listed


@dataclass
class Picture:
    """A packet, and the packets that its frame is predicted from."""

    pts: int
    refs: set[int]
    entry: Entry = Entry.NONE


@st.composite
def films(draw: st.DrawFn) -> list[Picture]:
    """Groups of anchors and the B frames between them, in file order, as encoders make them."""
    film: list[Picture] = []
    clock, anchor = 0, -1  # time of the latest anchor, its place in the file
    for group in range(draw(st.integers(1, 5))):
        entry = draw(st.sampled_from([Entry.CLOSED, Entry.OPEN, Entry.NONE])) if group else None
        first = len(film)
        for place in range(draw(st.integers(1, 6))):
            is_key = place == 0
            between = draw(st.integers(0, 3)) if film else 0
            if is_key and entry is Entry.CLOSED:
                between = 0
            begin, clock = clock, clock + between + 1
            before, anchor = anchor, len(film)
            past = set() if is_key else draw(st.sets(st.integers(first, anchor - 1), max_size=3))
            if is_key and entry is Entry.NONE and before >= 0:  # a key frame that is none
                past = {before}
            own = (Entry.CLOSED if entry is None else entry) if is_key else Entry.NONE
            # What is no entry is predicted from its neighbour too; B frames never from what
            # is older than the last two anchors.
            refs = past | ({before} if before >= first and not is_key else set())
            film.append(Picture(clock, refs, own))
            inner = [n for n in (before, anchor) if n >= 0]
            for pts in draw(st.permutations(range(begin + 1, clock))):
                chosen = set(inner)
                if draw(st.booleans()):  # a pyramid of B frames
                    inner.append(len(film))
                film.append(Picture(pts, chosen))
    return _honest(film)


def _honest(film: list[Picture]) -> list[Picture]:
    """No picture after an entry on screen is predicted from one before it in the file."""
    key = 0
    for at, picture in enumerate(film):
        if picture.entry is not Entry.NONE:
            key = at
            if at:
                picture.refs.clear()
        elif picture.pts > film[key].pts:
            picture.refs = {r for r in picture.refs if r >= key and film[r].pts >= film[key].pts}
    return film


def judged(
    film: list[Picture], looked: list[float], *, spares: bool, snap: Snap | None = None
) -> list[Judged]:
    used = set().union(*(p.refs for p in film))
    planner = Planner(lambda begin, end: any(begin <= t < end for t in looked), snap=snap)
    out: list[Judged] = []
    for at, picture in enumerate(film):
        mark = Mark(entry=picture.entry, spare=spares and at not in used and not picture.entry)
        out += planner.feed(at, Fact(pts_s=float(picture.pts), length_s=1.0, mark=mark))
    return [*out, *planner.rest()]


@given(films(), st.lists(st.integers(0, 80), max_size=5), st.booleans())
def test_what_is_decoded_suffices(film: list[Picture], looked: list[int], spares: bool) -> None:
    found = judged(film, [t + 0.5 for t in looked], spares=spares)
    assert [j.item for j in found] == list(range(len(film)))
    # Every frame that is looked at is decoded, with all that it is predicted from.
    order = sorted(p.pts for p in film)
    shown = {max((p for p in order if p <= t), default=-1) for t in looked if t <= order[-1]}
    assert_whole(film, found, {at for at, p in enumerate(film) if p.pts in shown})


def assert_whole(film: list[Picture], found: list[Judged], wanted: set[int]) -> None:
    """What is wanted is decoded with all that it is predicted from."""
    kept = {j.item for j in found if j.reason.decoded}
    need = list(wanted)
    while need:
        at = need.pop()
        assert at in kept, (at, found[at].reason)
        need += film[at].refs
    # A decoder that missed something begins anew at an entry.
    missed = False
    for j in found:
        if j.opens:
            missed = False
        if j.reason in (Reason.GROUP, Reason.TAIL):
            missed = True
        else:
            assert not missed
        if j.opens and j.item:
            assert film[j.item].entry is not Entry.NONE


@given(
    films(), st.lists(st.integers(0, 80), max_size=5), st.booleans(),
    st.sampled_from([Precision.NEAR, Precision.KEYFRAME]), st.integers(0, 12), st.booleans(),
)  # fmt: skip
def test_cheaper_frames_are_whole_too(
    film: list[Picture], looked: list[int], spares: bool, precision: Precision, far: int, two: bool
) -> None:
    times = [t + 0.5 for t in looked]
    tolerance_s = far / 2
    snap = Snap(Listed(times), precision=precision, tolerance_s=tolerance_s, stop_s=math.inf)
    beside = [17.5] if two else []  # somebody else looks at what is on screen then
    found = judged(film, beside, spares=spares, snap=snap)
    assert [j.item for j in found] == list(range(len(film)))
    chosen = snap.due(math.inf)
    assert_whole(film, found, {at for at, p in enumerate(film) if float(p.pts) in chosen})
    order = sorted(p.pts for p in film)
    for time_s in (t for t in times if order[0] <= t < order[-1] + 1):
        on_screen = max(p for p in order if p <= time_s)
        if precision is Precision.NEAR:
            apart = min(abs(c - time_s) for c in chosen)
            assert apart <= max(tolerance_s, time_s - on_screen)
        else:
            assert any(c <= time_s for c in chosen)


@given(films())
def test_who_wants_all_gets_all(film: list[Picture]) -> None:
    found = judged(film, [t / 2 for t in range(400)], spares=True)
    assert {j.reason for j in found} == {Reason.WANTED}


@given(films())
def test_who_wants_nothing_decodes_nothing(film: list[Picture]) -> None:
    assert not any(j.reason.decoded for j in judged(film, [], spares=False))
