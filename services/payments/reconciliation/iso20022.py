"""Reads pain.002, camt.054, camt.053 and pacs.004 line by line, in memory that does not grow with the file.

Two passes. `check` goes to the end first: a file that is cut short, not XML, or no message of ours is refused before
anything is applied. `lines` then reads the fields; a line that is not what the schema allows becomes a line with a
`problem`, and the others go on.

Safe on hostile input: no DTD, no entities, no network, no huge nodes; the size is capped where the body is taken in.

Versions are not distinguished beyond the message name: the elements read here have the same names from pain.002.001.03,
camt.05x.001.02 and pacs.004.001.02 on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from io import BytesIO
from typing import Any, BinaryIO, Final

from lxml import etree

from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.iso20022_entries import EntryReader
from services.payments.reconciliation.iso20022_fields import FieldReader, Fields
from services.payments.reconciliation.iso20022_sequence import StatementCollector
from services.payments.reconciliation.iso20022_values import (
    Unreadable,
    amount_of,
    currency_of,
    day_of,
    payee_of,
    reference_of,
)
from services.payments.reconciliation.model import (
    DUPLICATE_REFERENCE,
    DocumentHead,
    Line,
    Statement,
    own_reference,
    status_kind,
)

_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:(pain\.002|camt\.054|camt\.053|pacs\.004)\.\d{3}\.\d{2}")
_LINES = {"pain.002": "TxInfAndSts", "camt.054": "Ntry", "camt.053": "Ntry", "pacs.004": "TxInf"}
_HEADS = ("GrpHdr", "OrgnlGrpInfAndSts", "OrgnlGrpInf")
_BLOCK = "OrgnlPmtInfAndSts"
_PARTS = ("Acct", "Bal", "TxsSummry", "Stmt")
_HEAD_FIELDS = ("MsgId", "CreDtTm", "OrgnlMsgId", "GrpSts", "StsRsnInf/Rsn/Cd", "StsRsnInf/Rsn/Prtry")
_BLOCK_FIELDS = ("OrgnlPmtInfId", "PmtInfSts", "StsRsnInf/Rsn/Cd", "StsRsnInf/Rsn/Prtry")
_STATUS_FIELDS = (
    "OrgnlEndToEndId",
    "TxSts",
    "AccptncDtTm",
    "StsRsnInf/Rsn/Cd",
    "StsRsnInf/Rsn/Prtry",
    "OrgnlTxRef/Amt/InstdAmt",
    "OrgnlTxRef/Amt/InstdAmt@Ccy",
    "OrgnlTxRef/CdtrAcct/Id/IBAN",
    "OrgnlTxRef/CdtrAcct/Id/Othr/Id",
)
_RETURN_FIELDS = (
    "OrgnlEndToEndId",
    "RtrId",
    "IntrBkSttlmDt",
    "RtrRsnInf/Rsn/Cd",
    "RtrRsnInf/Rsn/Prtry",
    "RtrdIntrBkSttlmAmt",
    "RtrdIntrBkSttlmAmt@Ccy",
    "OrgnlTxRef/CdtrAcct/Id/IBAN",
    "OrgnlTxRef/CdtrAcct/Id/Othr/Id",
)
_EPOCH = date(1970, 1, 1)
_READABLE = "send pain.002, camt.054, camt.053 or pacs.004"
LARGEST: Final = 32 * 1024 * 1024
"""Bytes of a file between two elements that can be freed: an entry may bundle some ten thousand transactions."""


class StatementReader:
    """Reads one document: `check()`, then `lines()`; `head` is complete after either.

    Arguments:
        body: the raw document, or what opens it (for one that is not held in memory).
    """

    def __init__(self, body: bytes | Callable[[], BinaryIO]) -> None:
        self._open: Callable[[], BinaryIO] = body if callable(body) else lambda: BytesIO(body)
        self._kind = self._in = ""
        self._fields: dict[str, str] = {}
        self._created = _EPOCH
        self._readers: dict[Sequence[str], FieldReader] = {}
        self._entries: EntryReader | None = None

    @property
    def head(self) -> DocumentHead:
        """What the document says about itself."""
        return DocumentHead(self._kind, **self._fields) if self._fields.get("message_id") else DocumentHead("", "")

    def check(self) -> Sequence[Statement]:
        """To the end, in one go: see `Reader.check`.

        Raises:
            StatementMalformed: not well-formed, cut short, with a DTD, or without a message id.
            StatementUnknownKind: XML, but not one of the four messages.
        """
        collector = StatementCollector()
        for name, element in self._elements(_PARTS):
            if name in _HEADS:
                self._read_head(name, element)
            elif self._kind == "camt.053":
                collector.take(element, name, self._in)
        self._require_id()
        return collector.statements

    def lines(self) -> Iterator[Line]:
        """The document's lines, in order; one that cannot be read has a `problem`.

        Raises:
            StatementMalformed, StatementUnknownKind: as `check`, whose work it repeats where that was left out.
        """
        number = 0
        for name, element in self._elements(()):
            if name in _HEADS:
                self._read_head(name, element)
                continue
            try:
                read = self._read_line(element, number)
            except Unreadable as problem:
                read = [Line(number, None, "", None, "", self._created, problem=str(problem))]
            number += len(read)
            yield from read
        self._require_id()

    def _require_id(self) -> None:
        if not self._fields.get("message_id"):
            raise StatementMalformed("the document has no message id (GrpHdr/MsgId)")

    def _elements(self, parts: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """The elements of interest and their names, each freed once it has been read.

        They are told apart in C: a name filter on the parser is many times faster than one in Python.

        Arguments:
            parts: names besides heads and lines.
        """
        if not self._kind:
            self._kind, self._in = self._identify()
        line, in_block = _LINES[self._kind], False
        names = {self._in + name: name for name in (line, _BLOCK, *_HEADS, *parts)}
        with self._open() as opened:
            body = _Watched(opened)
            try:
                for _, element in _parse(body, "end", tuple(names)):
                    name = names[element.tag]
                    if name == _BLOCK:
                        if not in_block:
                            self._read_block(element)
                        in_block = False
                        continue
                    if name == line and not in_block:  # what stands before a block's first line is freed with it
                        in_block = True
                        self._read_block(element.getparent())
                    yield name, element
                    if name == line:
                        body.unread = 0
                        _free(element)
            except etree.XMLSyntaxError as error:
                raise _not_whole(error) from error

    def _identify(self) -> tuple[str, str]:
        """The message's kind, and the prefix of its elements' tags: told by the first element."""
        with self._open() as body:
            try:
                _, root = next(iter(_parse(body, "start", None)))
            except etree.XMLSyntaxError as error:
                raise _not_whole(error) from error
        if root.getroottree().docinfo.doctype:
            raise StatementMalformed("the file carries a document type; ISO 20022 messages have none")
        name = etree.QName(root)
        match = _NAMESPACE.fullmatch(name.namespace or "")
        if match is None or name.localname != "Document":
            raise StatementUnknownKind(_READABLE)
        return match.group(1), f"{{{name.namespace}}}"

    def _read_head(self, name: str, element: Any) -> None:
        (message_id, created, original, status, code, own_code), _ = self._of(_HEAD_FIELDS).walk(element)
        if name == "GrpHdr":
            self._fields["message_id"] = (message_id or "")[:140]
            try:
                self._created = day_of(created, self._created)
            except Unreadable as problem:
                raise StatementMalformed(str(problem)) from None
            return
        self._fields["original_message_id"] = own_reference(original or "")
        if name == "OrgnlGrpInfAndSts":
            self._fields["group_status"] = (status or "")[:4]
            self._fields["group_reason"] = (code or own_code or "")[:35]

    def _read_block(self, block: Any) -> None:
        """A refusal of the payment block is one of the whole batch: our files have one block, of the same name."""
        if self._kind != "pain.002" or block is None or block.tag != self._in + _BLOCK:
            return
        (name, status, code, own_code), _ = self._of(_BLOCK_FIELDS).walk(block)
        if status == "RJCT" and own_reference(name or "") == self._fields.get("original_message_id"):
            self._fields["group_status"] = status
            self._fields["group_reason"] = (code or own_code or "")[:35]

    def _of(self, wanted: Sequence[str], counted: str = "") -> FieldReader:
        reader = self._readers.get(wanted)
        if reader is None:
            reader = self._readers[wanted] = FieldReader(wanted, self._in, counted)
        return reader

    def _read_line(self, element: Any, number: int) -> list[Line]:
        if self._kind == "pain.002":
            return [self._status(self._of(_STATUS_FIELDS).read(element)[0], number)]
        if self._kind == "pacs.004":
            return [self._return(self._of(_RETURN_FIELDS).read(element)[0], number)]
        if self._entries is None:
            self._entries = EntryReader(self._in)
        return self._entries.read(element, number, self._created)

    def _status(self, fields: Fields, number: int) -> Line:
        reference, status, on, code, own_code, amount, currency, iban, other = fields
        exact = amount_of(amount)
        # Our references are unique for ever: one that the bank has had before is this very payment, sent again.
        known = status == "RJCT" and code == DUPLICATE_REFERENCE
        return Line(
            number,
            "accepted" if known else status_kind(status or "", exact is not None),
            reference_of(reference),
            exact,
            currency_of(amount, currency),
            day_of(on, self._created),
            "",
            (code or own_code or "")[:35],
            *payee_of(iban, other),
        )

    def _return(self, fields: Fields, number: int) -> Line:
        reference, entry, on, code, own_code, amount, currency, iban, other = fields
        return Line(
            number,
            "returned",
            reference_of(reference),
            amount_of(amount),
            currency_of(amount, currency),
            day_of(on, self._created),
            (entry or "")[:140],
            (code or own_code or "")[:35],
            *payee_of(iban, other),
        )


class _Watched:
    """A body that tells when too much of it has gone by without an element that is read and freed."""

    def __init__(self, body: BinaryIO) -> None:
        self._body = body
        self.unread = 0

    def read(self, size: int) -> bytes:
        """As of any file.

        Raises:
            StatementMalformed: what is being read would not fit into memory.
        """
        part = self._body.read(size)
        self.unread += len(part)
        if self.unread > LARGEST:
            raise StatementMalformed(f"one element has more than {LARGEST // 2**20} MiB")
        return part


def _parse(body: Any, event: str, tag: Sequence[str] | None) -> Iterator[tuple[str, Any]]:
    """lxml's events, without anything that a hostile file could reach for."""
    return etree.iterparse(  # type: ignore[no-any-return]
        body,
        events=(event,),
        tag=tag,
        resolve_entities=False,
        no_network=True,
        remove_blank_text=True,
        remove_comments=True,
        remove_pis=True,
        load_dtd=False,
    )


def _not_whole(error: etree.XMLSyntaxError) -> StatementMalformed:
    return StatementMalformed(f"the file is not complete, well-formed XML (line {error.lineno})")


def _free(element: Any) -> None:
    """Let go of an element, and of all that stands before it and before the element it is in."""
    element.clear()
    parent = element.getparent()
    for node in (element, parent):
        while node.getprevious() is not None:
            del node.getparent()[0]
