"""Fields read by an entry's shape are those that a walk over its elements finds, whatever the entry looks like."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from services.payments.rails.tests.builders import camt, entry
from services.payments.reconciliation import iso20022
from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.iso20022 import StatementReader
from services.payments.reconciliation.iso20022_fields import LONGEST, MOST, FieldReader, shape_of

NS = "urn:x"
WANTED = ("A", "A@Ccy", "B/C", "B", "D/C", "D/C@Ccy")
PARSER = etree.XMLParser(resolve_entities=False, remove_comments=True, remove_pis=True)

texts = st.text(st.sampled_from("x1 \n<&>'\"é\u17b6"), max_size=4)
leaves = st.tuples(st.sampled_from("ABCDE"), texts, st.sampled_from(["", "KHR", " USD", 'a"b']))
elements = st.recursive(
    leaves, lambda inner: st.tuples(st.sampled_from("ABDE"), st.lists(inner, max_size=4), st.just("")), max_leaves=8
)


def built(parts: list[Any], prefix: str = "") -> Any:
    """An element as a parser gives it: from text, so that nothing of its making remains."""
    names = {prefix or None: NS}
    root = etree.Element(f"{{{NS}}}R", nsmap=names)

    def add(parent: Any, part: Any) -> None:
        name, inner, currency = part
        child = etree.SubElement(parent, f"{{{NS}}}{name}")
        if currency:
            child.set("Ccy", currency)
        if isinstance(inner, str):
            child.text = inner or None
        else:
            for one in inner:
                add(child, one)

    for part in parts:
        add(root, part)
    return etree.fromstring(etree.tostring(root, encoding="utf-8"), PARSER)


@given(st.lists(elements, max_size=6), st.sampled_from(["", "p"]), st.lists(elements, max_size=3))
def test_what_a_shape_reads_is_what_a_walk_finds(parts: list[Any], prefix: str, others: list[Any]):
    reader = FieldReader(WANTED, f"{{{NS}}}", "B/C")
    for element in (built(parts, prefix), built(others, prefix), built(parts, prefix), built(parts + others, prefix)):
        assert reader.read(element) == reader.walk(element)


@given(st.lists(texts, min_size=3, max_size=3), st.lists(texts, min_size=3, max_size=3))
def test_other_texts_in_a_known_shape_are_read_as_a_walk_reads_them(first: list[str], second: list[str]):
    def element(values: list[str]) -> Any:
        return built([("A", values[0], "KHR"), ("B", [("C", values[1], "")], ""), ("E", values[2], "")])

    reader = FieldReader(WANTED, f"{{{NS}}}")
    for values in (first, second, first):
        assert reader.read(element(values)) == reader.walk(element(values))


@pytest.mark.parametrize(
    "text",
    [
        '<R xmlns="urn:x"><A>1</A><Z xmlns="urn:y"><A>9</A></Z></R>',
        '<R xmlns="urn:x" xmlns:y="urn:y"><y:A>9</y:A><A>1</A></R>',
        '<p:R xmlns:p="urn:x"><p:A>1</p:A><A xmlns="urn:y">9</A></p:R>',
    ],
)
def test_elements_of_other_namespaces_are_not_ours(text: str):
    reader = FieldReader(WANTED, f"{{{NS}}}")
    for _ in range(2):
        element = etree.fromstring(text.encode(), PARSER)
        assert reader.read(element)[0][0] == "1"


def test_a_shape_is_learnt_once_and_used_for_the_others(monkeypatch: pytest.MonkeyPatch):
    reader = FieldReader(WANTED, f"{{{NS}}}")
    reader.read(built([("A", "1", "KHR")]))
    monkeypatch.setattr(reader, "walk", lambda _: pytest.fail("it was walked again"))
    assert reader.read(built([("A", "2", "USD")]))[0][:2] == ("2", "USD")


def test_a_file_that_never_repeats_itself_keeps_few_shapes():
    reader = FieldReader(WANTED, f"{{{NS}}}")
    for number in range(3 * MOST):
        reader.read(built([("E", "x", "")] * number + [("A", "1", "KHR")]))
    assert len(reader._shapes) == MOST
    longest = built([("E", "x" * LONGEST, "")])
    reader.read(longest)
    assert len(reader._shapes) == MOST


@pytest.mark.parametrize("text", ["x", "<A></A>x<", "<A", '<A a=">"></A>', '<A xmlns:p="q"><p:B></p:B></A>'])
def test_what_is_not_an_element_as_libxml2_writes_it_has_no_shape(text: str):
    shape = shape_of(text, WANTED)
    assert shape is None or shape.read(text) is None


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["", "12345", "1 2"]), st.sampled_from(["", "AC04"])), max_size=8)
)
def test_a_file_is_read_alike_with_and_without_shapes(entries: list[tuple[bool, str, str]]):
    body = camt(
        "camt.054",
        "M1",
        [
            entry(
                f"r{number}",
                "7.5" if debit else "8",
                payee=payee,
                returned=returned,
                direction="DBIT" if debit else "CRDT",
            )
            for number, (debit, payee, returned) in enumerate(entries)
        ],
    )
    by_shape = list(StatementReader(body).lines())
    walking = StatementReader(body)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FieldReader, "read", FieldReader.walk)
        assert list(walking.lines()) == by_shape
    assert len(by_shape) == len(entries)


def test_comments_and_cdata_and_character_references_make_no_difference():
    plain = camt("camt.054", "M1", [entry("ABC", "7", own="E1"), entry("DEF", "8", own="E2")])
    odd = (
        plain.replace(b"ABC", b"A<!-- x -->B&#67;")
        .replace(b"DEF", b"<![CDATA[DEF]]>")
        .replace(b"<Ntry>", b"\n  <Ntry >\t")
        .replace(b"<Sts>", b"<?pi x?><Sts>")
    )
    assert list(StatementReader(odd).lines()) == list(StatementReader(plain).lines())


class Flood:
    """A file without an end: a head, and then the same bytes over and over; tells how much was read."""

    def __init__(self, head: bytes, again: bytes) -> None:
        self._head, self._again, self.given = BytesIO(head), again * (4096 // len(again) + 1), 0

    def read(self, size: int) -> bytes:
        part = self._head.read(size) or self._again[:size]
        self.given += len(part)
        return part

    def __enter__(self) -> Flood:
        return self

    def __exit__(self, *_: object) -> None:
        return


@pytest.mark.parametrize("again", [b"<Junk>x</Junk>", b" " * 100, b"<Ntry><Amt>1</Amt>"[:6] + b"<X/>" * 9])
def test_a_file_that_never_comes_to_an_entry_is_refused_before_it_fills_the_memory(
    again: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(iso20022, "LARGEST", 256 * 1024)
    head = camt("camt.054", "M1", ["|"]).split(b"|")[0]
    flood = Flood(head, again)
    with pytest.raises(StatementMalformed):
        StatementReader(lambda: flood).check()  # type: ignore[arg-type,return-value]
    assert flood.given < 1024 * 1024


def test_another_document_is_refused_by_its_first_element_however_long_it_is():
    flood = Flood(b"<html>", b"<p>x</p>")
    with pytest.raises(StatementUnknownKind):
        StatementReader(lambda: flood).check()  # type: ignore[arg-type,return-value]
    assert flood.given < 256 * 1024


@pytest.mark.parametrize("value", [" 7", "7 ", "7\n", "a b", "&", "a&lt;", "\u00a07", "\u17b6", ""])
@pytest.mark.parametrize("currency", ["KHR", " KHR", "K<R", 'K"R'])
def test_spaces_and_escaped_characters_in_a_known_shape_are_read_as_a_walk_reads_them(value: str, currency: str):
    reader = FieldReader(WANTED, f"{{{NS}}}")
    reader.read(built([("A", "1", "KHR"), ("D", [("C", "x", "USD")], "")]))
    assert len(reader._shapes) == 1
    element = built([("A", value, currency), ("D", [("C", value, "USD")], "")])
    assert reader.read(element) == reader.walk(element)
