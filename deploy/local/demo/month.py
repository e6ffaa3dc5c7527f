"""The main job, start to end, as officers do it: every call goes through the gateway."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from rich.table import Table

from deploy.local import view
from deploy.local.demo import answering, deciding, paying, registering
from deploy.local.demo.bank import Bank
from deploy.local.demo.client import DemoFailed, Officer, Screen
from deploy.local.demo.events import TopicCount, wait_until_consumed
from deploy.local.environment import BANK_DEBTOR_ACCOUNT
from deploy.local.platform import Platform

PERIOD = "2020-07"
HOLDS_FROM = date(2020, 6, 1)
"""The first month of the programme: the lists of that round held from then."""
BANK_ARGUMENTS = ("--cutoff", "23:59")


@dataclass(frozen=True)
class Month:
    """What went in, for a test to search the run's logs and disk for (fault 26)."""

    registered: registering.Registered
    accounts: paying.Accounts


def run(platform: Platform) -> Month:
    """Run the month and print its closing table.

    Raises:
        DemoFailed: a step did not go as it must.
    """
    started = time.perf_counter()
    screen = Screen(view.console)
    with ExitStack() as stack:

        def officer(subject: str, *roles: str) -> Officer:
            hired = Officer(platform, subject, *roles)
            stack.callback(hired.close)
            return hired

        ministry = officer("registry-officer-1", "registry_officer")
        auditor = officer("auditor-1", "auditor")
        programme = officer("programme-officer-1", "programme_officer")
        bank = Bank(platform.bank_url, BANK_DEBTOR_ACCOUNT)
        stack.callback(bank.close)

        screen.step("Places of the country")
        registering.load_places(screen, ministry)
        screen.step("A commune's household file")
        registered = registering.import_households(screen, platform, ministry, HOLDS_FROM)
        wait_until_consumed(screen, auditor)

        screen.step("The programme, from its file; who qualifies")
        deciding.publish_programme(screen, programme)
        enrolled = deciding.enrol(screen, programme, HOLDS_FROM)
        screen.step(f"The cycle of {PERIOD}")
        cycle = deciding.run_cycle(screen, programme, PERIOD)
        wait_until_consumed(screen, auditor)

        finance = officer("finance-officer-1", "finance_officer")
        maker = officer("payment-officer-1", "payment_officer")
        maker_again = officer("payment-officer-1", "payment_approver")
        second = officer("payment-officer-2", "payment_officer")
        checker = officer("payment-approver-1", "payment_approver")
        screen.step("Fund and accounts")
        paying.open_fund(screen, finance, cycle)
        beneficiaries = [
            row["beneficiary_id"] for row in programme.pages(f"/eligibility/v1/cycles/{cycle.id}/entitlements")
        ]
        accounts = paying.import_accounts(screen, maker, beneficiaries)
        bank.open_accounts(accounts.closed_at_bank)
        screen.step("The payment list: built, checked, submitted, approved by another")
        made = paying.build_list(screen, maker, cycle)
        paying.approve(screen, maker, checker, maker_again, made)
        screen.step("Disbursement over two rails")
        paying.disburse(screen, platform, finance, maker, made)
        screen.step("Reconciliation")
        paying.reconcile(screen, platform, bank, maker, made)

        screen.step("A family asks why")
        clerk = officer("commune-officer-1", "commune_officer")
        cases = officer("grievance-officer-1", "grievance_officer")
        answering.show_automatic_cases(screen, cases, maker)
        failed = answering.pick_failed(maker)
        answering.ask_why(screen, clerk, failed)
        case = answering.open_case(screen, clerk, failed)
        answering.correct_account(screen, maker, second, failed)
        answering.ask_for_remedy(screen, cases, case, failed)
        answering.reissue(screen, maker, failed)
        answering.wait_for_settlement(screen, bank, maker, failed["id"])
        answering.resolve(screen, platform, cases, case)
        answering.show_papers(screen, maker, failed)

        screen.step("The month, closed")
        topics = wait_until_consumed(screen, auditor)
        _close(screen, platform, auditor, topics, registered, enrolled)
    screen.say(f"the month took {time.perf_counter() - started:.1f} s")
    return Month(registered, accounts)


def _close(
    screen: Screen,
    platform: Platform,
    auditor: Officer,
    topics: list[TopicCount],
    registered: registering.Registered,
    enrolled: int,
) -> None:
    insights = auditor.get("/insights/v1/summary")
    balance = auditor.get("/payments/v1/ledger/trial-balance")
    fund = auditor.get(f"/payments/v1/funds/{paying.FUND}")
    states = auditor.get("/payments/v1/summary")["states"]
    table = Table(title=f"{deciding.CODE}, {PERIOD}", title_justify="left", show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    table.add_row("households", f"{insights['households']['value']:,}", "counted by insights from events")
    table.add_row("people", f"{insights['people']['value']:,}", "")
    table.add_row("households enrolled", f"{enrolled:,}", "")
    table.add_section()
    for state in states:
        amount = f"{Decimal(state['amount']):,.0f} {state['currency']}"
        table.add_row(f"payments {state['status']}", f"{state['count']:,}", amount)
    table.add_section()
    for name in ("available", "reserved", "in_transit", "paid"):
        table.add_row(f"fund {name}", "", f"{Decimal(fund[name]):,.0f} {fund['currency']}")
    totals = ", ".join(f"{Decimal(total):,.0f} {currency}" for currency, total in balance["totals"].items())
    table.add_row("ledger trial balance", "", totals)
    table.add_section()
    for topic in topics:
        consumed = ", ".join(f"{name} {count:,}" for name, count in topic.consumed.items())
        table.add_row(topic.topic, f"{topic.published:,}", f"consumed: {consumed}")
    screen.console.print(table)
    screen.say(f"API {platform.gateway_url}   documentation {platform.gateway_url}/docs")
    wrong = [
        message
        for message, is_right in (
            ("the ledger does not balance", balance["balanced"]),
            ("some events were not consumed by all", all(topic.settled for topic in topics)),
            ("insights counts other households", insights["households"]["value"] == registered.households),
            ("insights counts other people", insights["people"]["value"] == registered.people),
        )
        if not is_right
    ]
    if wrong:
        raise DemoFailed("; ".join(wrong))
