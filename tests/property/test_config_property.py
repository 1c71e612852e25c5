"""Any configuration that is accepted comes back from its own plain data."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from triptych.config import FORMATS, Config, from_mapping, load_config, parse_budget
from triptych.errors import UsageError

SECTIONS = {
    "decode": st.fixed_dictionaries(
        {},
        optional={
            "fps": st.floats(0.01, 240),
            "short_side": st.integers(16, 4096),
            "max_pixels": st.integers(1, 10**12),
            "max_duration_s": st.floats(0.1, 1e7),
        },
    ),
    "extract": st.fixed_dictionaries(
        {},
        optional={
            "asr": st.sampled_from(["auto", "always", "never"]),
            "language": st.just("zh"),
            "step_s": st.floats(0.1, 10),
        },
    ),
    "predict": st.fixed_dictionaries(
        {},
        optional={
            "labels": st.text(),
            "top": st.integers(1, 99),
            "summary": st.one_of(
                st.integers(1, 100).map("{}%".format), st.floats(0.1, 1e4).map("{}s".format)
            ),
        },
    ),
    "report": st.fixed_dictionaries(
        {}, optional={"formats": st.lists(st.sampled_from(FORMATS), unique=True)}
    ),
    "runner": st.fixed_dictionaries({}, optional={"workers": st.integers(0, 64)}),
}
RAW = st.fixed_dictionaries({}, optional=SECTIONS)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(RAW)
def test_plain_data_make_a_config_and_back(raw: dict[str, Any]) -> None:
    config = from_mapping(Config, raw)
    assert from_mapping(Config, dataclasses.asdict(config)) == config
    for section, values in raw.items():
        for key, value in values.items():
            wanted = tuple(value) if isinstance(value, list) else value
            assert getattr(getattr(config, section), key) == wanted


@given(
    st.dictionaries(
        st.sampled_from(sorted(SECTIONS)) | st.text(max_size=5),
        ANYTHING | st.dictionaries(st.sampled_from(["fps", "top", "formats", "asr"]), ANYTHING),
    )
)
def test_anything_else_is_a_usage_error(raw: dict[str, Any]) -> None:
    try:
        from_mapping(Config, raw)
    except UsageError as err:
        assert err.message


@given(st.text(max_size=20))
def test_any_assignment_is_read_or_refused(text: str) -> None:
    try:
        load_config(assignments=(text,))
    except UsageError as err:
        assert err.message


@given(st.text("0123456789.eE+-% sinfa", max_size=8))
def test_a_summary_length_is_positive_or_refused(text: str) -> None:
    try:
        kind, value = parse_budget(text)
    except UsageError:
        return
    assert 0 < value < float("inf") and (kind == "seconds" or value <= 1)
