"""Builders that the tests of rails and reconciliation share."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from services.payments.rails.model import message_id
from services.payments.rails.pain001 import Debtor
from services.payments.rails.port import BatchHeader, Instruction

DEBTOR_IBAN = "KH25NATB0000000001"
DEBTOR = Debtor("National Treasury", DEBTOR_IBAN, "NATBKHPP")
CREATED = datetime(2020, 7, 27, 9, 0, tzinfo=UTC)


def instructions(count: int, *, provider: str = "ACLBKHPP", first: int = 80_000) -> list[Instruction]:
    """So many instructions, each another amount."""
    return [
        Instruction(uuid4().hex, Decimal(first + i), "KHR", provider, f"000123{i:06d}", f"សុខ & <Dara> {i}")
        for i in range(count)
    ]


def header(members: list[Instruction], *, rail: str = "bank", batch_id: UUID | None = None) -> BatchHeader:
    """A batch of exactly these."""
    identity = batch_id or uuid4()
    return BatchHeader(
        id=identity,
        rail=rail,
        provider="",
        message_id=message_id(identity),
        count=len(members),
        amount=sum((i.amount for i in members), Decimal(0)),
        currency="KHR",
        created_at=CREATED,
        execution_on=date(2020, 7, 27),
    )


NS = "urn:iso:std:iso:20022:tech:xsd:"


def pain002(message: str, original: str, statuses: list[tuple[str, str, str]], *, group: str = "PART") -> bytes:
    """A status report: (end-to-end id, status, reason)."""
    rows = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{ref}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
        + (f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn><AddtlInf>Sok Dara</AddtlInf></StsRsnInf>" if reason else "")
        + "</TxInfAndSts>"
        for ref, status, reason in statuses
    )
    return (
        f'<?xml version="1.0"?><Document xmlns="{NS}pain.002.001.10"><CstmrPmtStsRpt><GrpHdr><MsgId>{message}</MsgId>'
        f"<CreDtTm>2020-07-27T10:00:00Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{original}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>{group}</GrpSts></OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{original}</OrgnlPmtInfId>{rows}</OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()


def group_rejection(message: str, original: str, reason: str) -> bytes:
    """A status report that refuses a whole file."""
    return (
        f'<?xml version="1.0"?><Document xmlns="{NS}pain.002.001.10"><CstmrPmtStsRpt><GrpHdr><MsgId>{message}</MsgId>'
        f"<CreDtTm>2020-07-27T10:00:00Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{original}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn>"
        "</StsRsnInf></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()


def entry(
    ref: str,
    amount: str,
    *,
    own: str = "",
    direction: str = "DBIT",
    currency: str = "KHR",
    payee: str = "",
    returned: str = "",
) -> str:
    """One booked entry of a camt.054 or camt.053."""
    account = f"<RltdPties><CdtrAcct><Id><Othr><Id>{payee}</Id></Othr></Id></CdtrAcct></RltdPties>" if payee else ""
    back = f"<RtrInf><Rsn><Cd>{returned}</Cd></Rsn></RtrInf>" if returned else ""
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>2020-07-28</Dt></BookgDt><AcctSvcrRef>{own or 'B-' + ref[:20] + direction}</AcctSvcrRef>"
        f"<NtryDtls><TxDtls><Refs><EndToEndId>{ref}</EndToEndId></Refs>"
        f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>{account}{back}</TxDtls></NtryDtls>'
        "</Ntry>"
    )


def camt(kind: str, message: str, entries: list[str]) -> bytes:
    """A camt.054 (notification) or camt.053 (statement)."""
    root, box = {
        "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
        "camt.053": ("BkToCstmrStmt", "Stmt"),
    }[kind]
    return (
        f'<?xml version="1.0"?><Document xmlns="{NS}{kind}.001.08"><{root}><GrpHdr><MsgId>{message}</MsgId>'
        f"<CreDtTm>2020-07-28T18:00:00Z</CreDtTm></GrpHdr><{box}><Id>{message}</Id>{''.join(entries)}</{box}></{root}>"
        "</Document>"
    ).encode()


def pacs004(
    message: str, original: str, ref: str, amount: str, *, currency: str = "KHR", reason: str = "AC04"
) -> bytes:
    """A return of one payment."""
    return (
        f'<?xml version="1.0"?><Document xmlns="{NS}pacs.004.001.09"><PmtRtr><GrpHdr><MsgId>{message}</MsgId>'
        f"<CreDtTm>2020-07-30T18:00:00Z</CreDtTm></GrpHdr><OrgnlGrpInf><OrgnlMsgId>{original}</OrgnlMsgId></OrgnlGrpInf>"
        f"<TxInf><RtrId>R-{ref[:20]}</RtrId><OrgnlEndToEndId>{ref}</OrgnlEndToEndId>"
        f'<RtrdIntrBkSttlmAmt Ccy="{currency}">{amount}</RtrdIntrBkSttlmAmt><IntrBkSttlmDt>2020-07-30</IntrBkSttlmDt>'
        f"<RtrRsnInf><Rsn><Cd>{reason}</Cd></Rsn></RtrRsnInf></TxInf></PmtRtr></Document>"
    ).encode()
