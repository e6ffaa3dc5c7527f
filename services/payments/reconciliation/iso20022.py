"""Reads pain.002, camt.054, camt.053 and pacs.004 line by line, in memory that does not grow with the file.

Safe on hostile input: no DTD, no entities, no network, no huge nodes, a cap on size (in ingest_document). A file
that is cut short or not XML raises `StatementMalformed` *before* anything is applied: lines are only staged by then.

Versions are not distinguished beyond the message name: the elements read here have the same names from pain.002.001.03,
camt.05x.001.02 and pacs.004.001.02 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

from lxml import etree

from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.model import (
    DocumentHead,
    Line,
    OutcomeKind,
    Scheme,
    status_kind,
)

_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:(pain\.002|camt\.054|camt\.053|pacs\.004)\.\d{3}\.\d{2}")
_LINES = {"pain.002": "TxInfAndSts", "camt.054": "Ntry", "camt.053": "Ntry", "pacs.004": "TxInf"}
_HEADS = ("GrpHdr", "OrgnlGrpInfAndSts", "OrgnlGrpInf")
_WANTED = tuple(f"{{*}}{name}" for name in ("Document", *_HEADS, *dict.fromkeys(_LINES.values())))
"""Elements of interest, told apart in C: a name filter on the parser is many times faster than one in Python."""
_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,5})?", re.ASCII)
_READABLE = "send pain.002, camt.054, camt.053 or pacs.004"
Fields = dict[str, str]
_EPOCH = date(1970, 1, 1)


class StatementReader:
    """Reads one document. Iterate `lines()` to the end; `head` is complete only then.

    Arguments:
        body: the raw document.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._kind = self._in = ""
        self._fields: dict[str, str] = {}
        self._created = _EPOCH

    @property
    def head(self) -> DocumentHead:
        """What the document says about itself."""
        return DocumentHead(self._kind, **self._fields) if self._fields.get("message_id") else DocumentHead("", "")

    def lines(self) -> Iterator[Line]:
        """The document's lines, in order.

        Raises:
            StatementMalformed: not well-formed, cut short, with a DTD, or with a line that cannot be read.
            StatementUnknownKind: XML, but not one of the four messages.
        """
        number = 0
        for element in self._elements():
            if element.tag[len(self._in) :] in _HEADS:
                self._read_head(element)
                continue
            for line in self._read_line(element, number):
                number += 1
                yield line
        if not self._fields.get("message_id"):
            raise StatementMalformed("the document has no message id (GrpHdr/MsgId)")

    def _elements(self) -> Iterator[Any]:
        """The elements of interest, each freed once it has been read."""
        events = etree.iterparse(
            BytesIO(self._body),
            events=("start", "end"),
            tag=_WANTED,
            resolve_entities=False,
            no_network=True,
            remove_comments=True,
            remove_pis=True,
            load_dtd=False,
        )
        wanted: frozenset[str] = frozenset()
        try:
            for event, element in events:
                if not self._kind:
                    self._kind, self._in = self._identify(element)
                    wanted = frozenset(self._in + name for name in (*_HEADS, _LINES[self._kind]))
                if event == "end" and element.tag in wanted:
                    yield element
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]
        except etree.XMLSyntaxError as error:
            raise StatementMalformed(f"the file is not complete, well-formed XML (line {error.lineno})") from error
        if not self._kind:
            raise StatementUnknownKind(_READABLE)

    @staticmethod
    def _identify(root: Any) -> tuple[str, str]:
        """The message's kind, and the prefix of its elements' tags."""
        if root.getroottree().docinfo.doctype:
            raise StatementMalformed("the file carries a document type; ISO 20022 messages have none")
        namespace = etree.QName(root).namespace or ""
        match = _NAMESPACE.fullmatch(namespace)
        if match is None or root.getparent() is not None:
            raise StatementUnknownKind(_READABLE)
        return match.group(1), f"{{{namespace}}}"

    def _read_head(self, element: Any) -> None:
        name, fields = element.tag[len(self._in) :], self._flat(element)
        if name == "GrpHdr":
            self._fields["message_id"] = fields.get("MsgId", "")[:140]
            self._created = _day(fields.get("CreDtTm", ""), self._created)
            return
        self._fields["original_message_id"] = fields.get("OrgnlMsgId", "")[:140]
        if name == "OrgnlGrpInfAndSts":
            self._fields["group_status"] = fields.get("GrpSts", "")[:4]
            self._fields["group_reason"] = _reason(fields, "StsRsnInf")

    def _read_line(self, element: Any, number: int) -> Iterator[Line]:
        if self._kind == "pain.002":
            yield self._status(self._flat(element), number)
        elif self._kind == "pacs.004":
            yield self._return(self._flat(element), number)
        else:
            yield from self._entry(element, number)

    def _status(self, tx: Fields, number: int) -> Line:
        amount, currency = _amount(tx, "OrgnlTxRef/Amt/InstdAmt")
        scheme, payee = _payee(tx, "OrgnlTxRef/CdtrAcct/Id/")
        return Line(
            number=number,
            kind=status_kind(tx.get("TxSts", ""), amount is not None),
            end_to_end_id=_reference(tx.get("OrgnlEndToEndId", "")),
            amount=amount,
            currency=currency,
            on=_day(tx.get("AccptncDtTm", ""), self._created),
            reason_code=_reason(tx, "StsRsnInf"),
            payee_scheme=scheme,
            payee_number=payee,
        )

    def _return(self, tx: Fields, number: int) -> Line:
        amount, currency = _amount(tx, "RtrdIntrBkSttlmAmt")
        scheme, payee = _payee(tx, "OrgnlTxRef/CdtrAcct/Id/")
        return Line(
            number=number,
            kind="returned",
            end_to_end_id=_reference(tx.get("OrgnlEndToEndId", "")),
            amount=amount,
            currency=currency,
            on=_day(tx.get("IntrBkSttlmDt", ""), self._created),
            entry=tx.get("RtrId", "")[:140],
            reason_code=_reason(tx, "RtrRsnInf"),
            payee_scheme=scheme,
            payee_number=payee,
        )

    def _entry(self, element: Any, number: int) -> Iterator[Line]:
        """One line per transaction of a booked entry (an entry may bundle many); none for a pending one."""
        entry = self._flat(element, besides="NtryDtls")
        if (entry.get("Sts/Cd") or entry.get("Sts")) != "BOOK":
            return
        on = _day(entry.get("BookgDt/Dt") or entry.get("BookgDt/DtTm") or "", self._created)
        whole, currency = _amount(entry, "Amt")
        direction, own = entry.get("CdtDbtInd", ""), entry.get("AcctSvcrRef", "")
        details = element.findall(f"{self._in}NtryDtls/{self._in}TxDtls")
        if not details:
            kind: OutcomeKind | None = "settled" if direction == "DBIT" else None
            yield Line(number, kind, "", whole, currency, on, own[:140])
            return
        for offset, tx in enumerate(map(self._flat, details)):
            amount, tx_currency = _amount(tx, "Amt")
            if amount is None and len(details) == 1:
                amount, tx_currency = whole, currency
            scheme, payee = _payee(tx, "RltdPties/CdtrAcct/Id/")
            yield Line(
                number=number + offset,
                kind=_entry_kind(tx, direction),
                end_to_end_id=_reference(tx.get("Refs/EndToEndId", "")),
                amount=amount,
                currency=tx_currency,
                on=on,
                entry=(tx.get("Refs/AcctSvcrRef") or own)[:140],
                reason_code=tx.get("RtrInf/Rsn/Cd", "")[:35],
                payee_scheme=scheme,
                payee_number=payee,
            )

    def _flat(self, element: Any, besides: str = "") -> Fields:
        """An element's descendants as path -> text, the first of each path; an amount's currency at path + `@Ccy`.

        One walk per line: looking up each path by itself costs several times as much.
        """
        fields: Fields = {}
        self._walk(element, "", fields, besides)
        return fields

    def _walk(self, element: Any, prefix: str, fields: Fields, besides: str) -> None:
        start = len(self._in)
        for child in element:
            tag = child.tag
            if not isinstance(tag, str) or tag[start:] == besides:
                continue
            path = prefix + tag[start:]
            if path in fields:
                continue
            fields[path] = (child.text or "").strip()
            if len(child):
                self._walk(child, path + "/", fields, "")
            elif child.attrib:
                fields[path + "@Ccy"] = child.get("Ccy") or ""


def _payee(fields: Fields, prefix: str) -> tuple[Scheme, str]:
    if iban := fields.get(prefix + "IBAN"):
        return Scheme.IBAN, iban
    other = fields.get(prefix + "Othr/Id", "")
    return (Scheme.OTHER, other) if other else (Scheme.NONE, "")


def _entry_kind(tx: Fields, direction: str) -> OutcomeKind | None:
    if (tx.get("CdtDbtInd") or direction) == "DBIT":
        return "settled"
    return "returned" if "RtrInf" in tx else None


def _reason(fields: Fields, box: str) -> str:
    return (fields.get(box + "/Rsn/Cd") or fields.get(box + "/Rsn/Prtry") or "")[:35]


def _amount(fields: Fields, path: str) -> tuple[Decimal | None, str]:
    """An amount and its currency, exactly as written.

    Raises:
        StatementMalformed: text that is not an amount of the schema (18 digits, 5 of them decimals).
    """
    text = fields.get(path)
    if text is None:
        return None, ""
    if not _AMOUNT.fullmatch(text):
        raise StatementMalformed("an amount is not one: digits, and up to five decimals")
    return Decimal(text), fields.get(path + "@Ccy", "")[:3]


def _reference(value: str) -> str:
    """An EndToEndId, or nothing for the standard's own word for "none was given"."""
    return "" if value == "NOTPROVIDED" else value[:35]


def _day(text: str, otherwise: date) -> date:
    """The date of an ISO date or date-time as written (the rail's own day), or the document's."""
    if not text:
        return otherwise
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise StatementMalformed("a date is not a date") from None
