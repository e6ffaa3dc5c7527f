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
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any, BinaryIO

from lxml import etree

from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.iso20022_sequence import StatementCollector
from services.payments.reconciliation.model import (
    Direction,
    DocumentHead,
    Line,
    OutcomeKind,
    Scheme,
    Statement,
    status_kind,
)

_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:(pain\.002|camt\.054|camt\.053|pacs\.004)\.\d{3}\.\d{2}")
_LINES = {"pain.002": "TxInfAndSts", "camt.054": "Ntry", "camt.053": "Ntry", "pacs.004": "TxInf"}
_HEADS = ("GrpHdr", "OrgnlGrpInfAndSts", "OrgnlGrpInf")
_PARTS = ("Acct", "Bal", "TxsSummry", "Stmt")
_HEAD_FIELDS = ("MsgId", "CreDtTm", "OrgnlMsgId", "GrpSts", "StsRsnInf/Rsn/Cd", "StsRsnInf/Rsn/Prtry")
_STATUS_FIELDS = (
    "OrgnlEndToEndId",
    "TxSts",
    "StsRsnInf/Rsn/Cd",
    "StsRsnInf/Rsn/Prtry",
    "AccptncDtTm",
    "OrgnlTxRef/Amt/InstdAmt",
    "OrgnlTxRef/CdtrAcct/Id/IBAN",
    "OrgnlTxRef/CdtrAcct/Id/Othr/Id",
)
_RETURN_FIELDS = (
    "RtrId",
    "OrgnlEndToEndId",
    "RtrdIntrBkSttlmAmt",
    "IntrBkSttlmDt",
    "RtrRsnInf/Rsn/Cd",
    "RtrRsnInf/Rsn/Prtry",
    "OrgnlTxRef/CdtrAcct/Id/IBAN",
    "OrgnlTxRef/CdtrAcct/Id/Othr/Id",
)
_ENTRY_FIELDS = ("Amt", "CdtDbtInd", "Sts", "Sts/Cd", "BookgDt/Dt", "BookgDt/DtTm", "AcctSvcrRef")
_DETAIL_FIELDS = (
    "Refs/EndToEndId",
    "Refs/AcctSvcrRef",
    "Amt",
    "AmtDtls/TxAmt/Amt",
    "CdtDbtInd",
    "RltdPties/CdtrAcct/Id/IBAN",
    "RltdPties/CdtrAcct/Id/Othr/Id",
    "RtrInf",
    "RtrInf/Rsn/Cd",
)
_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,5})?", re.ASCII)
_READABLE = "send pain.002, camt.054, camt.053 or pacs.004"
_EPOCH = date(1970, 1, 1)
Fields = dict[str, str]


class Unreadable(ValueError):
    """A field of one line is not what the schema allows; the text says which, never its content."""


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
        self._trees: dict[Sequence[str], dict[str, Any]] = {}

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
        for element in self._elements(_PARTS):
            name = element.tag[len(self._in) :]
            if name in _HEADS:
                self._read_head(element)
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
        for element in self._elements(()):
            if element.tag[len(self._in) :] in _HEADS:
                self._read_head(element)
                continue
            try:
                read = list(self._read_line(element, number))
            except Unreadable as problem:
                read = [Line(number, None, "", None, "", self._created, problem=str(problem))]
            number += len(read)
            yield from read
        self._require_id()

    def _require_id(self) -> None:
        if not self._fields.get("message_id"):
            raise StatementMalformed("the document has no message id (GrpHdr/MsgId)")

    def _elements(self, parts: Sequence[str]) -> Iterator[Any]:
        """The elements of interest, each freed once it has been read; `parts`: names besides heads and lines.

        They are told apart in C: a name filter on the parser is many times faster than one in Python.
        """
        names = ("Document", *_HEADS, *dict.fromkeys(_LINES.values()), *parts)
        with self._open() as body:
            events = etree.iterparse(
                body,
                events=("start", "end"),
                tag=tuple(f"{{*}}{name}" for name in names),
                resolve_entities=False,
                no_network=True,
                remove_comments=True,
                remove_pis=True,
                load_dtd=False,
            )
            wanted: frozenset[str] = frozenset()
            line = ""
            try:
                for event, element in events:
                    if not self._kind or not wanted:
                        if not self._kind:
                            self._kind, self._in = self._identify(element)
                        line = self._in + _LINES[self._kind]
                        wanted = frozenset(self._in + name for name in (*_HEADS, *parts)) | {line}
                    if event == "end" and element.tag in wanted:
                        yield element
                        if element.tag == line:
                            self._free(element)
            except etree.XMLSyntaxError as error:
                raise StatementMalformed(f"the file is not complete, well-formed XML (line {error.lineno})") from error
        if not self._kind:
            raise StatementUnknownKind(_READABLE)

    @staticmethod
    def _free(element: Any) -> None:
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]

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
        name, fields = element.tag[len(self._in) :], self._flat(element, _HEAD_FIELDS)
        if name == "GrpHdr":
            self._fields["message_id"] = fields.get("MsgId", "")[:140]
            try:
                self._created = _day(fields.get("CreDtTm", ""), self._created)
            except Unreadable as problem:
                raise StatementMalformed(str(problem)) from None
            return
        self._fields["original_message_id"] = fields.get("OrgnlMsgId", "")[:140]
        if name == "OrgnlGrpInfAndSts":
            self._fields["group_status"] = fields.get("GrpSts", "")[:4]
            self._fields["group_reason"] = _reason(fields, "StsRsnInf")

    def _read_line(self, element: Any, number: int) -> Iterator[Line]:
        if self._kind == "pain.002":
            yield self._status(self._flat(element, _STATUS_FIELDS), number)
        elif self._kind == "pacs.004":
            yield self._return(self._flat(element, _RETURN_FIELDS), number)
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
        entry = self._flat(element, _ENTRY_FIELDS)
        if (entry.get("Sts/Cd") or entry.get("Sts")) != "BOOK":
            return
        on = _day(entry.get("BookgDt/Dt") or entry.get("BookgDt/DtTm") or "", self._created)
        whole, currency = _amount(entry, "Amt")
        way, own = entry.get("CdtDbtInd", ""), entry.get("AcctSvcrRef", "")
        details = element.findall(f"{self._in}NtryDtls/{self._in}TxDtls")
        if not details:
            kind: OutcomeKind | None = "settled" if way == "DBIT" else None
            yield Line(number, kind, "", whole, currency, on, own[:140], direction=_direction(way))
            return
        for offset, detail in enumerate(details):
            tx = self._flat(detail, _DETAIL_FIELDS)
            amount, tx_currency = _amount(tx, "Amt")
            if amount is None:
                amount, tx_currency = _amount(tx, "AmtDtls/TxAmt/Amt")
            if amount is None and len(details) == 1:
                amount, tx_currency = whole, currency
            scheme, payee = _payee(tx, "RltdPties/CdtrAcct/Id/")
            yield Line(
                number=number + offset,
                kind=_entry_kind(tx, way),
                end_to_end_id=_reference(tx.get("Refs/EndToEndId", "")),
                amount=amount,
                currency=tx_currency,
                on=on,
                entry=(tx.get("Refs/AcctSvcrRef") or own)[:140],
                reason_code=tx.get("RtrInf/Rsn/Cd", "")[:35],
                payee_scheme=scheme,
                payee_number=payee,
                direction=_direction(tx.get("CdtDbtInd") or way),
            )

    def _flat(self, element: Any, wanted: Sequence[str]) -> Fields:
        """An element's wanted descendants as path -> text, the first of each; a currency at its path + `@Ccy`.

        One walk down only those branches that hold something wanted: looking each path up by itself, or walking all of
        a bank's rich entry, costs several times as much.
        """
        tree = self._trees.get(wanted)
        if tree is None:
            tree = self._trees[wanted] = _tree(wanted, self._in)
        fields: Fields = {}
        _walk(element, tree, fields)
        return fields


def _tree(wanted: Sequence[str], prefix: str) -> dict[str, Any]:
    """Nested dictionaries: tag -> (path, whether it is wanted itself, what is wanted below it)."""
    tree: dict[str, Any] = {}
    for path in wanted:
        level, parts = tree, path.split("/")
        for depth, part in enumerate(parts):
            here = "/".join(parts[: depth + 1])
            _, leaf, below = level.get(prefix + part, (here, False, {}))
            level[prefix + part] = (here, leaf or depth + 1 == len(parts), below)
            level = below
    return tree


def _walk(element: Any, tree: dict[str, Any], fields: Fields) -> None:
    for child in element:
        found = tree.get(child.tag)
        if found is None:
            continue
        path, leaf, below = found
        if leaf and path not in fields:
            fields[path] = (child.text or "").strip()
            currency = child.get("Ccy")
            if currency is not None:
                fields[path + "@Ccy"] = currency
        if below:
            _walk(child, below, fields)


def _payee(fields: Fields, prefix: str) -> tuple[Scheme, str]:
    if iban := fields.get(prefix + "IBAN"):
        return Scheme.IBAN, iban
    other = fields.get(prefix + "Othr/Id", "")
    return (Scheme.OTHER, other) if other else (Scheme.NONE, "")


def _entry_kind(tx: Fields, way: str) -> OutcomeKind | None:
    if (tx.get("CdtDbtInd") or way) == "DBIT":
        return "settled"
    return "returned" if "RtrInf" in tx else None


def _direction(way: str) -> Direction:
    return {"DBIT": "debit", "CRDT": "credit"}.get(way, "")  # type: ignore[return-value]


def _reason(fields: Fields, box: str) -> str:
    return (fields.get(box + "/Rsn/Cd") or fields.get(box + "/Rsn/Prtry") or "")[:35]


def _amount(fields: Fields, path: str) -> tuple[Decimal | None, str]:
    """An amount and its currency, exactly as written.

    Raises:
        Unreadable: text that is not an amount of the schema (18 digits, 5 of them decimals).
    """
    text = fields.get(path)
    if text is None:
        return None, ""
    if not _AMOUNT.fullmatch(text):
        raise Unreadable("an amount is not one: digits, and up to five decimals")
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
        raise Unreadable("a date is not a date") from None
