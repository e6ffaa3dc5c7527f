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

STIPEND = """
format: samaki.programme/1
code: ZU-STIPEND
names: {km: អាហារូបករណ៍, en: Stipend}
unit: student
frequency: quarterly
currency: EUR
funding_line: ZU-2021
valid_from: 2021-01-01
reference_date: last_day_of_period
payment_window:
  opens: {day: 1, months_after: 3}
  closes: {day: 31, months_after: 3}
conditions:
  diligent: {kind: lessons, within_days: 95, minimum: 20, at_least: 2}
eligibility:
  - id: diligent
    when: person.diligent
    reason: {km: មិនបានចូលរៀនគ្រប់គ្រាន់, en: Too few lessons were attended in two months of the quarter.}
  - id: not_working
    when: person.employment == 'none' && members.filter(m, m.employment == 'full_time').size() < 2
    reason: {km: មានការងារ, en: There is enough work in the family.}
benefits:
  - component: stipend
    names: {km: អាហារូបករណ៍, en: Stipend}
    formula:
      - component: by_level
        names: {km: តាមកម្រិត, en: By level}
        quantity: "3"
        rate: stipend
rates:
  stipend:
    by: [person.education_level, household.location_class]
    periods:
      - valid_from: 2021-01-01
        table:
          primary: {mountain: "12.25", valley: "10.10"}
          upper_secondary: {mountain: "20.05", valley: "18.95"}
""".encode()

CHECK_UP = """
format: samaki.programme/1
code: ZU-CHECK-UP
names: {km: ពិនិត្យសុខភាព, en: Check-up of the elderly}
unit: event
events: [checkup]
frequency: per_event
currency: EUR
funding_line: ZU-2021
valid_from: 2021-01-01
reference_date: event_date
payment_window:
  opens: {day: 1, months_after: 1}
  closes: {day: 28, months_after: 1}
eligibility:
  - id: aged
    when: person.age >= 65
    reason: {km: អាយុមិនគ្រប់, en: Not yet 65 on the day of the check-up.}
  - id: twice_a_year
    when: event.ordinal <= 2
    reason: {km: លើសចំនួនដង, en: Two check-ups in half a year are paid.}
benefits:
  - component: fare
    names: {km: ថ្លៃធ្វើដំណើរ, en: Bus fare}
    formula:
      - component: both_ways
        names: {km: ទៅមក, en: There and back}
        quantity: "2"
        rate: fare
rates:
  fare:
    by: [household.location_class]
    periods:
      - {valid_from: 2021-01-01, valid_until: 2021-03-14, table: {mountain: "1.35", valley: "0.70"}}
      - {valid_from: 2021-03-15, table: {mountain: "1.45", valley: "0.75"}}
""".encode()

KINDS = """
format: samaki.condition-kinds/1
kinds:
  - code: checkup
    names: {km: ពិនិត្យសុខភាព, en: Check-up}
    reported_by: [health_worker]
    episode_days: 182
  - code: lessons
    names: {km: មេរៀន, en: Lessons of a month}
    reported_by: [school_officer]
    value: {minimum: 0, maximum: 31}
    of_month: true
""".encode()
