"""Compare people as a set with splink on DuckDB: block, weigh, keep what is worth an officer's look, with reasons.

Everything happens in one in-memory database, closed at the end. What does not fit in its memory goes to temporary
files, encrypted (names must not lie on a disk in clear). SQL here is DuckDB's over its own tables: its parts come from
`rules`, whose names are checked against fixed lists, never from a request.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator
from splink.blocking_rule_library import block_on

from services.registry.duplicates.features import SCHEMA
from services.registry.duplicates.rules import LEVELS, DuplicateRules

MEMORY: Final = "3GB"
THREADS: Final = 2
LEAST_SIZE: Final = 10_000
"""The shares in the rules are a country's. In a register of one village, sharing the village says nothing: the prior of
a register of so many keeps that in check."""

_CONDITIONS: Final = {
    "name": {
        "same": "spelling_l = spelling_r OR spelling_km_l = spelling_km_r",
        "same_sound": "sound_l = sound_r",
        "close": "jaro_winkler_similarity(spelling_l, spelling_r) >= 0.90"
        " OR replace(sound_l, ' ', '') = replace(sound_r, ' ', '')",
        "one_word": "list_has_any(string_split(spelling_l, ' '), string_split(spelling_r, ' '))",
        "near": "jaro_winkler_similarity(spelling_l, spelling_r) >= 0.80",
    },
    "birth_date": {
        "same": "birth_date_l = birth_date_r",
        "one_slip": "damerau_levenshtein(birth_date_l, birth_date_r) <= 1 OR (birth_year_l = birth_year_r"
        " AND substr(birth_date_l, 5, 2) = substr(birth_date_r, 7, 2)"
        " AND substr(birth_date_l, 7, 2) = substr(birth_date_r, 5, 2))",
        "same_year": "birth_year_l = birth_year_r",
        "near_year": "abs(birth_year_l - birth_year_r) <= 2",
    },
    "sex": {"same": "sex_l = sex_r"},
    "place": {
        "village": "village_l = village_r",
        "commune": "commune_l = commune_r",
        "district": "district_l = district_r",
        "province": "substr(district_l, 1, 2) = substr(district_r, 1, 2)",
    },
    "number": {"same": "number_l = number_r"},
    "household": {
        "two_names": "len(list_intersect(others_l, others_r)) >= 2",
        "one_name": "len(list_intersect(others_l, others_r)) >= 1",
    },
}
_UNKNOWN: Final = {
    "name": "spelling_l IS NULL OR spelling_r IS NULL",
    "birth_date": "birth_year_l IS NULL OR birth_year_r IS NULL",
    "sex": "sex_l IS NULL OR sex_r IS NULL",
    "place": "village_l IS NULL OR village_r IS NULL OR household_id_l = household_id_r",
    "number": "number_l IS NULL OR number_r IS NULL",
    "household": "others_l IS NULL OR others_r IS NULL OR household_id_l = household_id_r",
}

_SAME_SOUND: Final = len(LEVELS["name"]) - 2
_SAME_YEAR: Final = len(LEVELS["birth_date"]) - 1 - LEVELS["birth_date"].index("same_year")
_APART: Final = (
    f"WHERE household_id_l <> household_id_r OR gamma_name >= {_SAME_SOUND}"
    f" AND (gamma_birth_date >= {_SAME_YEAR} OR gamma_birth_date = -1)"
)
"""Who lives in one household under different names is two people: twins share all else. So is who has the same name but
not the year of birth: a child named after a parent. That both live in the place of their household says nothing."""

_FREQUENCIES: Final = """
    CREATE TABLE tf_of_{column} AS
    SELECT {column}, (count(*) - 1 + {as_if} * {u}) / (sum(count(*)) OVER () + {as_if}) AS tf_{column}
    FROM (SELECT {column} FROM fresh UNION ALL SELECT {column} FROM known)
    WHERE {column} IS NOT NULL GROUP BY {column}"""
_FREQUENT: Final = {"same": "spelling", "same_sound": "sound"}
"""Levels of `name` whose weight depends on how many have it, and by which column."""

_WITH_OTHERS: Final = """
    CREATE TABLE {name} AS
    SELECT p.*, others.sounds AS others FROM {name}_raw p LEFT JOIN (
      SELECT a.unique_id, list_distinct(list(b.sound)) AS sounds
      FROM {name}_raw a JOIN {name}_raw b ON b.household_id = a.household_id AND b.unique_id <> a.unique_id
      WHERE b.sound IS NOT NULL GROUP BY a.unique_id) AS others USING (unique_id)"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people who may be one.

    Attributes:
        left, right: person ids; of a newcomer and somebody known, the newcomer is left.
        score: probability of being one, by the model.
        reasons: of each comparison that says something: its name, the level that holds, and its weight in bits.
    """

    left: str
    right: str
    score: float
    reasons: tuple[tuple[str, str, float], ...]


class Comparison:
    """One comparison of newcomers with each other and with those who are known.

    Use: `add` newcomers and known people in batches of features, then `pairs`; close it in the end.
    """

    def __init__(self, rules: DuplicateRules) -> None:
        self._rules = rules
        self._database = duckdb.connect(":memory:")
        self._database.execute(
            f"SET memory_limit = '{MEMORY}'; SET threads = {THREADS}; SET temp_file_encryption = true"
        )
        self._database.register("shape", SCHEMA.empty_table())
        for name in ("fresh", "known"):
            self._database.execute(f"CREATE TABLE {name}_raw AS FROM shape")
        self._counts = {"fresh": 0, "known": 0}

    def add(self, batch: pa.RecordBatch, *, known: bool) -> None:
        """Add people: newcomers, or those known already."""
        name = "known" if known else "fresh"
        self._database.register("incoming", pa.Table.from_batches([batch]))
        self._database.execute(f"INSERT INTO {name}_raw FROM incoming")
        self._database.unregister("incoming")
        self._counts[name] += batch.num_rows

    def close(self) -> None:
        """Forget everything."""
        self._database.close()

    def pairs(self) -> list[Pair]:
        """Pairs at or above `possible`, best first; the best few of each newcomer."""
        for name in ("fresh", "known"):
            self._database.execute(_WITH_OTHERS.format(name=name))
            self._database.execute(f"DROP TABLE {name}_raw")
        for level, column in _FREQUENT.items():
            u = self._rules.comparisons["name"][level].u
            as_if = self._rules.name_frequency.as_if
            self._database.execute(_FREQUENCIES.format(column=column, as_if=as_if, u=u))
        found: list[Pair] = []
        if self._counts["fresh"] and self._counts["known"]:
            found += self._predict("link_only", ("fresh", "known"))
        if self._counts["fresh"] > 1:
            found += self._predict("dedupe_only", ("fresh",))
        return _best(found, self._rules.thresholds.per_person)

    def _predict(self, link_type: Any, names: tuple[str, ...]) -> Iterable[Pair]:
        logging.getLogger("splink").setLevel(logging.ERROR)
        api = DuckDBAPI(self._database)
        tables = [api.register(name, dataset_display_name=name) for name in names]
        linker = Linker(tables, self._settings(link_type), log_level=logging.ERROR)
        for column in _FREQUENT.values():
            linker.table_management.register_term_frequency_lookup(api.register(f"tf_of_{column}"), column)
        scored = linker.inference.predict(threshold_match_probability=self._rules.thresholds.possible)
        gammas = ", ".join(f"gamma_{name}" for name in LEVELS)
        columns = f"unique_id_l, unique_id_r, match_probability, mw_tf_adj_name, {gammas}"
        query = f"SELECT {columns} FROM {scored.physical_name} {_APART}"  # noqa: S608
        # Splink orders the two data sets by name: "fresh" is left of "known".
        for left, right, score, rarity, *levels in self._database.execute(query).fetchall():
            yield Pair(left, right, min(float(score), 0.99999), self._reasons(levels, float(rarity)))

    def _reasons(self, levels: list[int], rarity: float) -> tuple[tuple[str, str, float], ...]:
        """What each comparison says; `rarity`: bits by which this name says more, or less, than names do."""
        said = []
        for (name, names), gamma in zip(LEVELS.items(), levels, strict=True):
            if gamma >= 0:
                level = names[len(names) - 1 - gamma]
                weight = self._rules.comparisons[name][level].weight + (rarity if name == "name" else 0)
                said.append((name, level, round(weight, 2)))
        return tuple(said)

    def _settings(self, link_type: Any) -> SettingsCreator:
        size = max(self._counts["known"] if link_type == "link_only" else self._counts["fresh"], LEAST_SIZE)
        return SettingsCreator(
            link_type=link_type,
            probability_two_random_records_match=self._rules.thresholds.expected_share / size,
            comparisons=[self._comparison(name) for name in LEVELS],
            blocking_rules_to_generate_predictions=[block_on(*keys) for keys in self._rules.blocking],
            retain_matching_columns=True,
            retain_intermediate_calculation_columns=True,
            additional_columns_to_retain=["household_id"],
        )

    def _comparison(self, name: str) -> Any:
        known = self._rules.comparisons[name]
        levels: list[Any] = [cll.CustomLevel(_UNKNOWN[name], "unknown").configure(is_null_level=True)]
        for level, condition in _CONDITIONS[name].items():
            made = _level(cll.CustomLevel(condition, level), known[level].m, known[level].u)
            if name == "name" and level in _FREQUENT:
                made = made.configure(
                    tf_adjustment_column=_FREQUENT[level],
                    tf_minimum_u_value=self._rules.name_frequency.floor,
                    disable_tf_exact_match_detection=True,
                )
            levels.append(made)
        last = known[LEVELS[name][-1]]
        levels.append(_level(cll.ElseLevel(), last.m, last.u))
        return cl.CustomComparison(levels, output_column_name=name)


def _level(level: Any, m: float, u: float) -> Any:
    return level.configure(m_probability=m, u_probability=u, fix_m_probability=True, fix_u_probability=True)


def _best(pairs: list[Pair], each: int) -> list[Pair]:
    """Best first; of each newcomer at most so many."""
    taken: dict[str, int] = {}
    kept = []
    for pair in sorted(pairs, key=lambda pair: (-pair.score, pair.left, pair.right)):
        if taken.get(pair.left, 0) < each:
            taken[pair.left] = taken.get(pair.left, 0) + 1
            kept.append(pair)
    return kept
