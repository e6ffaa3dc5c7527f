"""The words of printed papers, in Khmer and English. A programme's own words come from its published file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """One thing said in both languages."""

    km: str
    en: str

    @property
    def both(self) -> str:
        """Khmer first, as papers in Cambodia have it."""
        return self.km if self.km == self.en else f"{self.km} / {self.en}"


TITLE_ADVICE: Final = Words("លិខិតជូនដំណឹងអំពីការបើកប្រាក់", "Payment advice")
TITLE_PROOF: Final = Words("លិខិតបញ្ជាក់ការបើកប្រាក់", "Proof of payment")
TITLE_STATEMENT: Final = Words("របាយការណ៍ប្រាក់ឧបត្ថម្ភប្រចាំឆ្នាំ", "Yearly statement")

REFERENCE: Final = Words("លេខយោង", "Reference")
ISSUED_ON: Final = Words("ថ្ងៃចេញលិខិត", "Issued on")
BENEFICIARY: Final = Words("អ្នកទទួលផល", "Beneficiary")
HOLDER: Final = Words("ម្ចាស់គណនី", "Account holder")
ACCOUNT: Final = Words("គណនី", "Account")
VILLAGE: Final = Words("លេខកូដភូមិ", "Village code")
PROGRAMME: Final = Words("កម្មវិធី", "Programme")
PERIOD: Final = Words("សម្រាប់ខែ", "Period")
YEAR: Final = Words("ឆ្នាំ", "Year")
STATUS: Final = Words("ស្ថានភាព", "Status")
WINDOW: Final = Words("រយៈពេលបើកប្រាក់", "Collect between")
PAID_ON: Final = Words("ថ្ងៃបើកប្រាក់", "Paid on")
BANK_REFERENCE: Final = Words("លេខយោងរបស់ធនាគារ", "Bank's reference")
CHECK_CODE: Final = Words("លេខកូដផ្ទៀងផ្ទាត់", "Check code")

COMPONENT: Final = Words("ប្រភេទប្រាក់", "Component")
QUANTITY: Final = Words("ចំនួន", "Quantity")
RATE: Final = Words("អត្រា", "Rate")
AMOUNT: Final = Words("ទឹកប្រាក់", "Amount")
TOTAL: Final = Words("សរុប", "Total")
PAID: Final = Words("បានបើក", "Paid")

STATUSES: Final = {
    "listed": Words("កំពុងរៀបចំ", "Being prepared"),
    "excluded": Words("មិនទាន់អាចបើកបាន", "Left out by a check"),
    "approved": Words("បានអនុម័ត", "Approved"),
    "instructed": Words("បានបញ្ជូនទៅធនាគារ ឬប្រតិបត្តិករ", "Sent to the bank or operator"),
    "settled": Words("បានបើករួច", "Paid"),
    "failed": Words("ធនាគារ ឬប្រតិបត្តិករបដិសេធ", "Refused by the bank or operator"),
    "returned": Words("ប្រាក់ត្រូវបានបង្វិលមកវិញ", "Came back"),
    "expired": Words("ហួសរយៈពេលបើកប្រាក់", "Not collected in time"),
}
"""How a payment stands, said to a family."""

KINDS: Final = {
    "arrears": Words("ប្រាក់ខ្វះពីខែមុន", "Owed from before"),
    "recovery": Words("ប្រាក់កាត់វិញ", "Taken off: paid too much before"),
}

NOTE_ADVICE: Final = Words(
    "សូមយកលិខិតនេះ និងប័ណ្ណរបស់អ្នក មកជាមួយនៅពេលបើកប្រាក់។ លិខិតនេះមិនមែនជាភស្តុតាងនៃការបើកប្រាក់ទេ។",
    "Bring this paper and your card when you collect. It does not prove that the money was paid.",
)
NOTE_COMPLAINT: Final = Words(
    "បើមានចម្ងល់ ឬបណ្តឹង សូមទាក់ទងឃុំ សង្កាត់របស់អ្នក ដោយប្រាប់លេខយោងខាងលើ។",
    "If anything is wrong, tell your commune and give the reference above.",
)
NOTE_PROOF: Final = Words(
    "អ្នកណាក៏អាចសាកសួរឃុំ ឬក្រសួង ដើម្បីផ្ទៀងផ្ទាត់លេខកូដខាងលើបានដែរ។",
    "An officer can check the code above: a changed paper does not pass.",
)
NOTE_STATEMENT: Final = Words(
    "បញ្ជីនេះរាប់តែប្រាក់ដែលបានបើករួច នៅថ្ងៃចេញលិខិត។",
    "Only money that was paid, as known on the day of issue, is counted.",
)
