"""Problems of payments, each with its own stable code.

NotFound: account_not_found, claim_not_found, employer_not_found, fund_not_found, import_not_found,
ledger_account_not_found,
          line_not_found, payment_list_not_found, payment_not_found, stop_not_found
Conflict: account_exists, account_state, account_unchanged, claim_exists, claim_state, collection_state,
content_changed,
          cycle_not_closed, emergency_stopped, entitlements_incomplete, exchange_impossible, fund_exists,
          fund_insufficient, list_exists, list_state, no_account, not_reissuable, payment_held, stop_exists
Forbidden: same_person
Invalid:  bad_parts, fund_ambiguous, no_fund, proof_needed, unknown_beneficiary
Unavailable: font_missing
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable


class AccountNotFound(NotFound):
    """No such account, or not in the caller's area."""

    code, title = "account_not_found", "There is no such account in your area"


class ImportNotFound(NotFound):
    """No such account import."""

    code, title = "import_not_found", "There is no such import of yours"


class FundNotFound(NotFound):
    """No such fund."""

    code, title = "fund_not_found", "There is no such fund"


class PaymentListNotFound(NotFound):
    """No such payment list."""

    code, title = "payment_list_not_found", "There is no such payment list"


class PaymentNotFound(NotFound):
    """No such payment, or not in the caller's area."""

    code, title = "payment_not_found", "There is no such payment in your area"


class LineNotFound(NotFound):
    """The list has no such line."""

    code, title = "line_not_found", "The list has no ready line for this payment"


class AccountExists(Conflict):
    """The beneficiary has an active account for this purpose."""

    code, title = "account_exists", "There is an active account for this beneficiary and purpose"


class FundExists(Conflict):
    """The fund's code is taken."""

    code, title = "fund_exists", "There is a fund with this code"


class FundInsufficient(Conflict):
    """Less is available than would be reserved; both amounts are in the problem."""

    code, title = "fund_insufficient", "The fund has not enough available"


class CycleNotClosed(Conflict):
    """The cycle's closing was not heard (yet)."""

    code, title = "cycle_not_closed", "This cycle is not closed"


class EntitlementsIncomplete(Conflict):
    """Fewer entitlements arrived than the cycle's control totals announce: try again when they have."""

    code, title = "entitlements_incomplete", "Not all entitlements of the cycle have arrived"


class ListExists(Conflict):
    """The cycle has a payment list."""

    code, title = "list_exists", "This cycle has a payment list already"


class ListState(Conflict):
    """The list is not in the state that this step needs (somebody else may have been quicker)."""

    code, title = "list_state", "The payment list is not in the state for this"


class ContentChanged(Conflict):
    """The hash given is not that of the list as it stands."""

    code, title = "content_changed", "The list is not the one you looked at"


class SamePerson(Forbidden):
    """Maker, checker and releaser are different people, whatever their roles (fault 11)."""

    code, title = "same_person", "Another person must do this"


class NotReissuable(Conflict):
    """Only money that is back in the fund is paid again."""

    code, title = "not_reissuable", "This payment cannot be re-issued"


class AccountUnchanged(Conflict):
    """The account is the one that failed."""

    code, title = "account_unchanged", "The account has not changed since the last attempt"


class NoAccount(Conflict):
    """There is nowhere to pay to."""

    code, title = "no_account", "The beneficiary has no active account"


class PaymentHeld(Conflict):
    """A hold is in force."""

    code, title = "payment_held", "This payment is on hold"


class NoFund(Invalid):
    """No fund serves the cycle's funding line in its currency."""

    code, title = "no_fund", "No fund serves this funding line"


class FundAmbiguous(Invalid):
    """Several funds serve it: name one."""

    code, title = "fund_ambiguous", "Several funds serve this funding line"


class UnknownBeneficiary(Invalid):
    """No enrolment or entitlement of this beneficiary was heard."""

    code, title = "unknown_beneficiary", "Nothing is known of this beneficiary"


class LedgerAccountNotFound(NotFound):
    """No such ledger account."""

    code, title = "ledger_account_not_found", "There is no such ledger account"


class StopNotFound(NotFound):
    """No such stop in force."""

    code, title = "stop_not_found", "There is no such stop in force"


class ClaimNotFound(NotFound):
    """No such claim, or not in the caller's area."""

    code, title = "claim_not_found", "There is no such claim in your area"


class EmployerNotFound(NotFound):
    """No contributions are known of this employer in this fund."""

    code, title = "employer_not_found", "Nothing is collected from this employer for this fund"


class AccountState(Conflict):
    """The account is closed."""

    code, title = "account_state", "The account is not in the state for this"


class AccountCooling(Conflict):
    """The account was changed lately, and nobody has confirmed it."""

    code, title = "account_cooling_off", "The account's change is cooling off"


class ClaimExists(Conflict):
    """The beneficiary has a claim that is not over."""

    code, title = "claim_exists", "There is a claim on this beneficiary already"


class ClaimState(Conflict):
    """The claim, or the payment it is about, is not in the state for this."""

    code, title = "claim_state", "The claim is not in the state for this"


class CollectionState(Conflict):
    """More would be allocated or refunded than there is."""

    code, title = "collection_state", "There is not that much for this"


class EmergencyStopped(Conflict):
    """An emergency stop is in force; `scope` and `target` name it."""

    code, title = "emergency_stopped", "An emergency stop is in force"


class HitNotFound(NotFound):
    """No such hit in the caller's area."""

    code, title = "sanction_hit_not_found", "There is no such hit"


class HitState(Conflict):
    """The hit is not in the state for this."""

    code, title = "sanction_hit_state", "The hit is not in the state for this"


class StopExists(Conflict):
    """It is stopped already."""

    code, title = "stop_exists", "It is stopped already"


class ExchangeImpossible(Conflict):
    """There is no rate for the day, or nothing to exchange."""

    code, title = "exchange_impossible", "This cannot be exchanged"


class ProofNeeded(Invalid):
    """A further account needs proof that the holder wants it."""

    code, title = "proof_needed", "Say what shows that the holder wants it"


class BadParts(Invalid):
    """The parts of a split do not make up the amount."""

    code, title = "bad_parts", "The parts do not make up the amount"


class FontMissing(Unavailable):
    """No Khmer font is installed where the settings say."""

    code, title = "font_missing", "No Khmer font is installed: the PDF cannot be printed"
