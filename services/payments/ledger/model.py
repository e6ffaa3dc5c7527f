"""The chart of accounts and what each kind of movement debits and credits. Pure.

Debits are positive, credits negative. Each movement names the account it debits and the one it credits, so it
balances by
construction:

    allotment --allot--> unreleased --release_funds--> available --reserve--> reserved --instruct--> in_transit
    --settle--> paid
                                                          ^ ^ ^ <--release, stop-----'                   |
                                                                 |
                                                          | | '---------fail, expire----------------------'
                                                                  |
                                                          | '-----restore---------------- returned
                                                          <--------return------------'
    employer: contributions --expect--> receivable        |
              unallocated   --receive---------------------'      unallocated <-> receivable: allocate
              unallocated   <--(un)refund--> paid                (a refund that a rail has paid)
    over-paid: paid --claim--> claims --recover--> available     (or <--(un)deduct--> paid: kept back of a benefit)
    the bank's own doing: clearing <-> suspense, until a person explains it: adopt, charge

`in_transit` is the beneficiary payable: instructed, and the rail has not said the last word. At any instant, per fund:
released = available + reserved + in transit + paid + returned, when nothing was collected, claimed, charged or
exchanged;
always, all accounts of a currency sum to zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.payments.instructions.model import AttemptState


class AccountType(StrEnum):
    """Types of ledger account. Fund-wide unless listed in PER_PROGRAMME, PER_RAIL or PER_PARTY."""

    ALLOTMENT = "allotment"
    UNRELEASED = "unreleased"
    AVAILABLE = "available"
    RESERVED = "reserved"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    RETURNED = "returned"
    SUSPENSE = "suspense"
    CLEARING = "clearing"
    CONTRIBUTIONS = "contributions"
    RECEIVABLE = "receivable"
    UNALLOCATED = "unallocated"
    CLAIMS = "claims"
    EXCHANGE = "exchange"
    FEES = "fees"
    INCOME = "income"
    AGENT_FLOAT = "agent_float"


EXPLAINED: dict[AccountType, str] = {
    AccountType.ALLOTMENT: "What the state or a donor allotted: the source, a credit.",
    AccountType.UNRELEASED: "Allotted, not yet released by the treasury: nothing may be promised from it.",
    AccountType.AVAILABLE: "Released and free: the only account that an approval may take from.",
    AccountType.RESERVED: "Committed: reserved by an approved list, not yet instructed.",
    AccountType.IN_TRANSIT: "Beneficiary payable: instructed, the rail has not said the last word.",
    AccountType.PAID: "Reached the beneficiary, by the rail's own word.",
    AccountType.RETURNED: "Came back after it had settled: passes through to the fund.",
    AccountType.SUSPENSE: "Money at a rail that nothing of ours explains, until a person does.",
    AccountType.CLEARING: "The other side of suspense: what the rail's own account holds more or less than our books.",
    AccountType.CONTRIBUTIONS: "Contributions that employers owe: the source, a credit.",
    AccountType.RECEIVABLE: "Contributions expected of an employer and not yet received.",
    AccountType.UNALLOCATED: "Received of an employer and not yet allocated to a month: a credit in her favour.",
    AccountType.CLAIMS: "Paid too much, to be recovered.",
    AccountType.EXCHANGE: "Position of an exchange between two currencies; each currency balances on its own.",
    AccountType.FEES: "Charges of a rail, borne by the fund.",
    AccountType.INCOME: "Money found to be the fund's own: interest, and what suspense turned out to be.",
    AccountType.AGENT_FLOAT: "Money that an agent holds or is owed for payments made in cash.",
}

PER_PROGRAMME = frozenset(
    {AccountType.RESERVED, AccountType.IN_TRANSIT, AccountType.PAID, AccountType.RETURNED, AccountType.CLAIMS}
)
PER_RAIL = frozenset(
    {
        AccountType.IN_TRANSIT,
        AccountType.PAID,
        AccountType.RETURNED,
        AccountType.SUSPENSE,
        AccountType.CLEARING,
        AccountType.AGENT_FLOAT,
    }
)
PER_PARTY = frozenset(
    {AccountType.CONTRIBUTIONS, AccountType.RECEIVABLE, AccountType.UNALLOCATED, AccountType.AGENT_FLOAT}
)


class MovementKind(StrEnum):
    """Why money moves between two accounts."""

    ALLOT = "allot"
    RELEASE_FUNDS = "release_funds"
    RESERVE = "reserve"
    RELEASE = "release"
    INSTRUCT = "instruct"
    STOP = "stop"
    SETTLE = "settle"
    FAIL = "fail"
    EXPIRE = "expire"
    RETURN = "return"
    RESTORE = "restore"
    EXPECT = "expect"
    UNEXPECT = "unexpect"
    RECEIVE = "receive"
    ALLOCATE = "allocate"
    DEALLOCATE = "deallocate"
    REFUND = "refund"
    UNREFUND = "unrefund"
    CLAIM = "claim"
    WAIVE = "waive"
    RECOVER = "recover"
    DEDUCT = "deduct"
    UNDEDUCT = "undeduct"
    EXCHANGE_OUT = "exchange_out"
    EXCHANGE_IN = "exchange_in"
    SUSPEND_OUT = "suspend_out"
    SUSPEND_IN = "suspend_in"
    EXPLAIN_OUT = "explain_out"
    EXPLAIN_IN = "explain_in"
    CHARGE = "charge"
    ADOPT = "adopt"
    FLOAT_OUT = "float_out"
    FLOAT_IN = "float_in"


@dataclass(frozen=True, slots=True)
class Sides:
    """The two accounts of a movement."""

    debit: AccountType
    credit: AccountType


_T, _K = AccountType, MovementKind
MOVEMENTS: dict[MovementKind, Sides] = {
    _K.ALLOT: Sides(_T.UNRELEASED, _T.ALLOTMENT),
    _K.RELEASE_FUNDS: Sides(_T.AVAILABLE, _T.UNRELEASED),
    _K.RESERVE: Sides(_T.RESERVED, _T.AVAILABLE),
    _K.RELEASE: Sides(_T.AVAILABLE, _T.RESERVED),
    _K.INSTRUCT: Sides(_T.IN_TRANSIT, _T.RESERVED),
    _K.STOP: Sides(_T.AVAILABLE, _T.RESERVED),
    _K.SETTLE: Sides(_T.PAID, _T.IN_TRANSIT),
    _K.FAIL: Sides(_T.AVAILABLE, _T.IN_TRANSIT),
    _K.EXPIRE: Sides(_T.AVAILABLE, _T.IN_TRANSIT),
    _K.RETURN: Sides(_T.RETURNED, _T.PAID),
    _K.RESTORE: Sides(_T.AVAILABLE, _T.RETURNED),
    _K.EXPECT: Sides(_T.RECEIVABLE, _T.CONTRIBUTIONS),
    _K.UNEXPECT: Sides(_T.CONTRIBUTIONS, _T.RECEIVABLE),
    _K.RECEIVE: Sides(_T.AVAILABLE, _T.UNALLOCATED),
    _K.ALLOCATE: Sides(_T.UNALLOCATED, _T.RECEIVABLE),
    _K.DEALLOCATE: Sides(_T.RECEIVABLE, _T.UNALLOCATED),
    _K.REFUND: Sides(_T.UNALLOCATED, _T.PAID),
    _K.UNREFUND: Sides(_T.PAID, _T.UNALLOCATED),
    _K.CLAIM: Sides(_T.CLAIMS, _T.PAID),
    _K.WAIVE: Sides(_T.PAID, _T.CLAIMS),
    _K.RECOVER: Sides(_T.AVAILABLE, _T.CLAIMS),
    _K.DEDUCT: Sides(_T.PAID, _T.CLAIMS),
    _K.UNDEDUCT: Sides(_T.CLAIMS, _T.PAID),
    _K.EXCHANGE_OUT: Sides(_T.EXCHANGE, _T.AVAILABLE),
    _K.EXCHANGE_IN: Sides(_T.AVAILABLE, _T.EXCHANGE),
    _K.SUSPEND_OUT: Sides(_T.SUSPENSE, _T.CLEARING),
    _K.SUSPEND_IN: Sides(_T.CLEARING, _T.SUSPENSE),
    _K.EXPLAIN_OUT: Sides(_T.CLEARING, _T.SUSPENSE),
    _K.EXPLAIN_IN: Sides(_T.SUSPENSE, _T.CLEARING),
    _K.CHARGE: Sides(_T.FEES, _T.AVAILABLE),
    _K.ADOPT: Sides(_T.AVAILABLE, _T.INCOME),
    _K.FLOAT_OUT: Sides(_T.AGENT_FLOAT, _T.CLEARING),
    _K.FLOAT_IN: Sides(_T.CLEARING, _T.AGENT_FLOAT),
}

OUTCOME_MOVEMENTS: dict[AttemptState, tuple[MovementKind, ...]] = {
    AttemptState.SETTLED: (MovementKind.SETTLE,),
    AttemptState.FAILED: (MovementKind.FAIL,),
    AttemptState.EXPIRED: (MovementKind.EXPIRE,),
    AttemptState.RETURNED: (MovementKind.RETURN, MovementKind.RESTORE),
}
"""What reaching a state moves. `accepted` moves nothing: the money is still in transit."""


def postings(kind: MovementKind, amount: Decimal) -> dict[AccountType, Decimal]:
    """The signed postings of one movement: they sum to zero.

    Raises:
        ValueError: the amount is not above zero; a movement the other way has a kind of its own.
    """
    if amount <= 0:
        raise ValueError("a movement has an amount above zero")
    sides = MOVEMENTS[kind]
    return {sides.debit: amount, sides.credit: -amount}
