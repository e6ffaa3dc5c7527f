"""The mock bank's side of the month: the treasury's account, some closed accounts, and the passing of days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

TREASURY = "TREASURY"
OPENING_BALANCE = 900_000_000_000 * 100
"""Nine times the first payment of the real programme. mock-bank counts riel in hundredths, as it does any currency."""
ROUTING = "999999992"
"""mock-bank's own bank code: a payee's domestic number is looked up among its accounts only under it."""


def iban(bban: str, country: str = "KH") -> str:
    """An IBAN with right check digits (ISO 13616). Cambodia has none: mock-bank wants one to name an account by."""
    rearranged = bban + country + "00"
    number = int("".join(str(int(character, 36)) for character in rearranged))
    return f"{country}{98 - number % 97:02d}{bban}"


class Bank:
    """Control of the mock bank.

    Args:
        url: where it listens.
        debtor_account: IBAN of the account that payments leave from.
    """

    def __init__(self, url: str, debtor_account: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60)
        self._debtor = debtor_account

    def open_accounts(self, closed: Sequence[str]) -> None:
        """Open the treasury's account in riel, and the payees' accounts that are closed."""
        self._open(TREASURY, self._debtor, balance=OPENING_BALANCE)
        for position, number in enumerate(closed, 1):
            own = iban(f"MOCK{number:0>14}")
            # The bank writes an account's name here into its message ids: it must not be the number.
            self._open(f"CLOSED-{position:02d}", own, account_number=number, behaviour="closed-account")

    def return_later(self, end_to_end_id: str) -> None:
        """Let one payment settle and come back a business day later (pacs.004, MD07: beneficiary deceased)."""
        parameters = {"days": 1, "reason": "MD07", "end_to_end_id": end_to_end_id}
        self._ask("PATCH", f"/_mock/accounts/{TREASURY}", {"behaviour": "return-later", "parameters": parameters})

    def next_days(self, days: int = 1) -> None:
        """Let calendar days pass at the bank: it books, reports and states what came due."""
        self._ask("POST", f"/_mock/advance?days={days}", {})

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _open(self, name: str, own_iban: str, **fields: Any) -> None:
        account = {"id": name, "name": name, "iban": own_iban, "currency": "KHR", "bic": "MOCKKHPP"}
        self._ask("POST", "/_mock/accounts", account | fields)

    def _ask(self, method: str, path: str, body: Any) -> None:
        answer = self._http.request(method, path, json=body)
        if not answer.is_success:
            raise RuntimeError(f"mock-bank: {method} {path} answered {answer.status_code}: {answer.text[:300]}")
