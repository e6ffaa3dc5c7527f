"""Problems of payments, each with its own stable code.

NotFound: account_not_found, fund_not_found, payment_list_not_found, payment_not_found, import_not_found
Conflict: cycle_not_closed, entitlements_incomplete, list_exists, list_state, content_changed, same_person,
          fund_insufficient, fund_exists, account_exists, account_unchanged, not_reissuable, payment_held,
              no_account
Invalid:  no_fund, fund_ambiguous, unknown_beneficiary
"""

from __future__ import annotations

from shared.errors import Conflict, Forbidden, Invalid, NotFound


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
