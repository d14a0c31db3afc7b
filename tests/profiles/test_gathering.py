"""A sentence that holds for several entries is told once."""

from __future__ import annotations

from profiles.document import Document, Note
from profiles.gathering import gathered
from profiles.table import Cell, Column

ENTRIES = [f"eager cpu fp32 b{batch}" for batch in (1, 2, 4, 8)]


def told(*lines: str, labels: list[str] = ENTRIES) -> list[str]:
    return [text for text, _ in gathered([(line, None) for line in lines], labels)]


def test_a_sentence_true_of_all_names_none_of_them() -> None:
    assert told(*(f"{one}: too hot" for one in ENTRIES)) == ["all 4 entries: too hot"]


def test_a_sentence_true_of_nearly_all_names_those_left_out() -> None:
    lines = [f"{one}: too hot" for one in ENTRIES[1:]]
    assert told(*lines) == ["all entries but eager cpu fp32 b1: too hot"]


def test_a_sentence_true_of_a_few_names_them_where_the_first_stood() -> None:
    lines = ["a word", f"{ENTRIES[0]}: too hot", f"{ENTRIES[0]}: alone", f"{ENTRIES[2]}: too hot"]
    assert told(*lines) == [
        "a word",
        "eager cpu fp32 b1 and eager cpu fp32 b4: too hot",
        "eager cpu fp32 b1: alone",
    ]


def test_sentences_that_differ_in_a_percentage_are_one() -> None:
    lines = [f"{one}: held for {share} % of it" for one, share in zip(ENTRIES, "1123", strict=True)]
    assert told(*lines) == [
        "eager cpu fp32 b1 (1 %), eager cpu fp32 b2 (1 %), eager cpu fp32 b4 (2 %) and"
        " eager cpu fp32 b8 (3 %): held for so much of it"
    ]
    assert told(*lines[:2]) == ["eager cpu fp32 b1 and eager cpu fp32 b2: held for 1 % of it"]
    assert told(lines[3]) == [lines[3]]


def test_sentences_that_differ_in_more_than_that_are_not() -> None:
    lines = [f"{one}: from -{share} % to +{share} %" for one, share in zip("ab", "12", strict=True)]
    assert told(*lines, labels=["a", "b"]) == lines


def test_of_two_entries_both_are_named() -> None:
    assert told("a: too hot", "b: too hot", labels=["a", "b"]) == ["a and b: too hot"]


def test_a_label_that_another_begins_with_is_told_from_it() -> None:
    lines = ["eager cpu: too hot", "eager cpu [threads=1]: too hot"]
    labels = ["eager cpu", "eager cpu [threads=1]", "compile cpu"]
    assert told(*lines, labels=labels) == ["eager cpu and eager cpu [threads=1]: too hot"]


def test_notes_are_put_together_whatever_their_colours_but_not_with_another_hint() -> None:
    document = Document(
        title=["a run"],
        columns=[Column("engine", [Cell("eager")] * 4, numeric=False)],
        notes=[
            Note(f"{ENTRIES[0]}: too hot", "wait", "doubt"),
            Note(f"{ENTRIES[1]}: too hot", "wait", "good"),
            Note(f"{ENTRIES[2]}: too hot", "", "doubt"),
        ],
        sections=[("What differs besides", [f"{one}: threads: A 1, B 2" for one in ENTRIES])],
        entries=ENTRIES,
    )
    for text in (document.to_text(120), document.to_markdown()):
        assert text.count("too hot") == 2
        assert "eager cpu fp32 b1 and eager cpu fp32 b2: too hot" in text
        assert text.count("threads: A 1, B 2") == 1
        assert "all 4 entries: threads: A 1, B 2" in text
