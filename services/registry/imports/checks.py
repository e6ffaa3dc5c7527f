"""The set-wise checks of a staged file: each is one statement that adds rejections, safe to run again.

Part of the imports repository (all values are bound). Parameters: `batch`, `today`, `areas`, `max_members`; those of
REGISTER_CHECKS also `seqs`: the households to look at, or null for all of them.
"""

from __future__ import annotations

from typing import Final

PLACE_CHECKS: Final = (
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, 'village_code', 'unknown_village', r.household_ref FROM import_row r
    WHERE r.batch_id = :batch AND r.village_code IS NOT NULL
      AND NOT EXISTS (SELECT FROM place p WHERE p.code = r.village_code AND p.level = 'village')
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, 'village_code', 'outside_area', r.household_ref FROM import_row r
    WHERE r.batch_id = :batch AND r.village_code IS NOT NULL
      AND NOT EXISTS (
        SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(r.village_code, area))
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, 'village_code', 'unclassified_village', r.household_ref FROM import_row r
    JOIN place p ON p.code = r.village_code AND p.level = 'village'
    WHERE r.batch_id = :batch AND NOT EXISTS (
      SELECT FROM place_class k WHERE k.place_code = r.village_code AND k.valid_from <= :today)
    ON CONFLICT DO NOTHING""",
)

GROUP_HOUSEHOLDS: Final = """
    INSERT INTO import_household (batch_id, seq, village_code, household_ref, first_line, rows)
    SELECT :batch, row_number() OVER (ORDER BY min(line)), village_code, household_ref, min(line), count(*)
    FROM import_row
    WHERE batch_id = :batch AND village_code IS NOT NULL AND household_ref IS NOT NULL
    GROUP BY village_code, household_ref
    ON CONFLICT DO NOTHING"""
"""Lines of one household are those with its village and number, wherever they stand in the file."""

FILE_CHECKS: Final = (
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, cell.field, 'household_cells_differ', r.household_ref
    FROM import_household h
    JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.first_line
    JOIN import_row r ON
      r.batch_id = h.batch_id AND r.village_code = h.village_code AND r.household_ref = h.household_ref
    CROSS JOIN LATERAL (VALUES
      ('poverty_level', r.poverty_level IS DISTINCT FROM f.poverty_level),
      ('card_number', r.card_hash IS DISTINCT FROM f.card_hash),
      ('card_valid_from', r.card_valid_from IS DISTINCT FROM f.card_valid_from),
      ('card_valid_until', r.card_valid_until IS DISTINCT FROM f.card_valid_until)) AS cell (field, differs)
    WHERE h.batch_id = :batch AND r.line <> h.first_line AND cell.differs
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT batch_id, line, 'person_ref', 'duplicate_person_ref', household_ref FROM (
      SELECT batch_id, line, household_ref,
             row_number() OVER (PARTITION BY village_code, household_ref, person_ref ORDER BY line) AS nth
      FROM import_row
      WHERE batch_id = :batch AND village_code IS NOT NULL AND household_ref IS NOT NULL AND person_ref IS NOT NULL
    ) AS numbered WHERE nth > 1
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT batch_id, line, 'relationship', 'second_head', household_ref FROM (
      SELECT batch_id, line, household_ref,
             row_number() OVER (PARTITION BY village_code, household_ref ORDER BY line) AS nth
      FROM import_row
      WHERE batch_id = :batch AND village_code IS NOT NULL AND household_ref IS NOT NULL AND relationship = 'head'
    ) AS numbered WHERE nth > 1
    ON CONFLICT DO NOTHING""",
    # A head may stand in a cell that was refused: then that is what is reported.
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT h.batch_id, h.first_line, 'relationship', 'no_head', h.household_ref
    FROM import_household h JOIN import_row r ON
      r.batch_id = h.batch_id AND r.village_code = h.village_code AND r.household_ref = h.household_ref
    WHERE h.batch_id = :batch
    GROUP BY h.batch_id, h.first_line, h.household_ref, h.seq
    HAVING count(*) FILTER (WHERE r.relationship = 'head') = 0 AND count(r.relationship) = count(*)
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT batch_id, first_line, 'household_ref', 'too_many_members', household_ref
    FROM import_household WHERE batch_id = :batch AND rows > :max_members
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT batch_id, line, 'national_id', 'duplicate_national_id', household_ref FROM (
      SELECT batch_id, line, household_ref, count(*) OVER (PARTITION BY national_id_hash) AS times
      FROM import_row WHERE batch_id = :batch AND national_id_hash IS NOT NULL
    ) AS counted WHERE times > 1
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT h.batch_id, h.first_line, 'card_number', 'duplicate_card_number', h.household_ref FROM (
      SELECT h.batch_id, h.first_line, h.household_ref, count(*) OVER (PARTITION BY r.card_hash) AS times
      FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.line = h.first_line
      WHERE h.batch_id = :batch AND r.card_hash IS NOT NULL
    ) AS h WHERE times > 1
    ON CONFLICT DO NOTHING""",
)

REGISTER_CHECKS: Final = (
    # The number's owner is known in this household under this person_ref, or the number is somebody else's.
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, 'national_id', 'registered_national_id', r.household_ref
    FROM import_household h
    JOIN import_row r ON
      r.batch_id = h.batch_id AND r.village_code = h.village_code AND r.household_ref = h.household_ref
    JOIN identifier i ON i.type = 'national_id' AND i.hash = r.national_id_hash
    WHERE h.batch_id = :batch AND (CAST(:seqs AS bigint[]) IS NULL OR h.seq = ANY (CAST(:seqs AS bigint[])))
      AND NOT EXISTS (
        SELECT FROM household g JOIN membership m ON m.household_id = g.id
        WHERE g.village_code = h.village_code AND g.household_ref = h.household_ref
          AND m.person_ref = r.person_ref AND m.person_id = i.owner_id)
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT h.batch_id, h.first_line, 'card_number', 'registered_card_number', h.household_ref
    FROM import_household h
    JOIN import_row r ON r.batch_id = h.batch_id AND r.line = h.first_line
    JOIN identifier i ON i.type = 'equity_card' AND i.hash = r.card_hash
    JOIN household g ON g.id = i.owner_id
    WHERE h.batch_id = :batch AND (CAST(:seqs AS bigint[]) IS NULL OR h.seq = ANY (CAST(:seqs AS bigint[])))
      AND (g.village_code, g.household_ref) <> (h.village_code, h.household_ref)
    ON CONFLICT DO NOTHING""",
)

NEIGHBOUR_CHECK: Final = """
    WITH doubtful AS (
      SELECT DISTINCT r.run, r.household_ref IS NULL AS unnamed,
        CASE WHEN r.household_ref IS NULL THEN p.code END AS village_code
      FROM import_rejection x
      JOIN import_row r ON r.batch_id = x.batch_id AND r.line = x.line
      LEFT JOIN place p ON p.code = r.village_code AND p.level = 'village'
      WHERE x.batch_id = :batch
        AND (x.field IN ('line', 'village_code') OR r.household_ref IS NULL OR x.code = 'no_head')
    ), runs AS (
      SELECT run, village_code FROM doubtful UNION SELECT run + 1, village_code FROM doubtful WHERE unnamed
    )
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT DISTINCT h.batch_id, h.first_line, 'household_ref', 'neighbouring_line', h.household_ref
    FROM runs
    JOIN import_row r ON r.batch_id = :batch AND r.run = runs.run
    JOIN import_household h ON
      r.batch_id = h.batch_id AND r.village_code = h.village_code AND r.household_ref = h.household_ref
    WHERE (runs.village_code IS NULL OR runs.village_code = h.village_code) AND NOT EXISTS (
      SELECT FROM import_row o JOIN import_rejection x ON x.batch_id = o.batch_id AND x.line = o.line
      WHERE o.batch_id = h.batch_id AND o.village_code = h.village_code AND o.household_ref = h.household_ref)
    ON CONFLICT DO NOTHING"""
"""A line whose household cannot be told may belong to the households of its run: they are not loaded without it.

A line without household_ref but with a village may belong to those of that village only."""

MARK_REFUSED: Final = """
    UPDATE import_household AS h SET refused = true, outcome = NULL
    FROM (
      SELECT DISTINCT r.village_code, r.household_ref
      FROM import_rejection x JOIN import_row r ON r.batch_id = x.batch_id AND r.line = x.line
      WHERE x.batch_id = :batch
    ) AS bad
    WHERE h.batch_id = :batch AND NOT h.refused
      AND h.village_code = bad.village_code AND h.household_ref = bad.household_ref
      AND (CAST(:seqs AS bigint[]) IS NULL OR h.seq = ANY (CAST(:seqs AS bigint[])))
    """
"""A household with any bad line is refused whole."""
