"""Two recipes have one key exactly when they are the same data."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from triptych.features import entry_key
from triptych.features.keys import digest_of
from triptych.records import Spec

LEAVES = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1e-9]) | st.text("ab:,")
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:,"), inner, max_size=3),
    max_leaves=6,
)
RECIPES = st.dictionaries(st.text("abc"), DATA, max_size=4)


def shuffled(data: Any, draw: st.DrawFn) -> Any:
    """The same data, its keys in another order."""
    if isinstance(data, dict):
        return {k: shuffled(data[k], draw) for k in draw(st.permutations(sorted(data)))}
    return [shuffled(v, draw) for v in data] if isinstance(data, list) else data


@given(RECIPES, st.data())
def test_the_order_of_keys_does_not_matter(recipe: dict[str, Any], data: st.DataObject) -> None:
    assert digest_of(shuffled(recipe, data.draw)) == digest_of(recipe)


@given(RECIPES, RECIPES)
def test_different_data_have_different_keys(one: dict[str, Any], other: dict[str, Any]) -> None:
    # Python's True == 1 is no equality here: JSON tells them apart.
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (entry_key("x", "m", one) == entry_key("x", "m", other)) == same


@given(
    st.text(min_size=1, max_size=5), st.integers(0, 9),
    st.sampled_from(["image", "audio", "text"]), st.integers(1, 4), RECIPES,
)  # fmt: skip
def test_a_spec_comes_back_from_json(
    name: str, version: int, modality: Any, dim: int, options: dict[str, Any]
) -> None:
    spec = Spec(name=name, version=version, modality=modality, dim=dim, options=options)
    recipe = json.loads(json.dumps(spec.recipe()))
    assert Spec(**recipe) == spec
    assert digest_of(recipe) == digest_of(spec.recipe())
