"""An invented country with its own programme: proof that nothing is Cambodian in code.

Levels are three-digit village codes' classes, the currency has cents, two benefits are paid, the reference date is the
last day of the month, and who qualifies is decided by children and sex, without any card.
"""

from __future__ import annotations

ZUBROWKA = """
format: samaki.programme/1
code: ZU-SCHOOL-MILK
names: {km: ទឹកដោះគោ, en: School milk and heating}
unit: household
frequency: monthly
currency: EUR
funding_line: ZU-2021
valid_from: 2021-01-01
reference_date: last_day_of_period
payment_window:
  opens: {day: 1, months_after: 1}
  closes: {day: 31, months_after: 1}
arrears: none
predicates:
  pupil: member.age_months >= 72 && member.age < 15
eligibility:
  - id: has_pupils
    when: members.exists(m, m.pupil) || household.at_risk && !household.card_valid
    reason: {km: គ្មានសិស្ស, en: No pupil lives here.}
  - id: led_by_a_woman
    when: members.exists_one(m, m.relationship == 'head' && m.sex == 'female')
    reason: {km: មេគ្រួសារមិនមែនជាស្ត្រី, en: The head is not a woman.}
benefits:
  - component: milk
    names: {km: ទឹកដោះគោ, en: Milk}
    formula:
      - component: cups
        names: {km: ពែង, en: Cups}
        quantity: math.least(3, members.filter(m, m.pupil).size()) * 20
        rate: cup
  - component: heating
    names: {km: កំដៅ, en: Heating}
    formula:
      - component: stove
        names: {km: ចង្ក្រាន, en: Stove}
        quantity: "household.size > 2 ? 2 : 1"
        rate: stove
      - component: winter_bonus
        names: {km: រដូវរងា, en: Winter bonus}
        quantity: "1"
        rate: stove
        enabled: false
rates:
  cup:
    periods:
      - {valid_from: 2021-01-01, valid_until: 2021-01-31, table: "0.35"}
      - {valid_from: 2021-02-01, table: "0.37"}
  stove:
    by: [household.at_risk, household.location_class]
    periods:
      - valid_from: 2021-01-01
        table:
          true: {mountain: "25.50", valley: 20}
          false: {mountain: 12, valley: 0}
""".encode()
