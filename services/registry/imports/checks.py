"""The set-wise checks of a staged file: each is one statement that may run again, and that adds rejections.

Part of the imports repository (all values are bound). Parameters: `batch`, `today`, `areas`, `max_members`; those of
GROUP_HOUSEHOLDS, REGISTER_CHECKS and MARK_REFUSED also `first` and `last`: the households to look at, by `seq`.

The lines are gone through once, by GROUP_HOUSEHOLDS, which leaves on each household what it saw: the statements that
name the bad lines start from the few households that have any.
"""

from __future__ import annotations

from typing import Final

PLACE_CHECK: Final = """
    WITH villages AS MATERIALIZED (
      SELECT DISTINCT village_code FROM import_row WHERE batch_id = :batch AND village_code IS NOT NULL
    ), bad AS MATERIALIZED (
      SELECT v.village_code, reason.code
      FROM villages v LEFT JOIN place p ON p.code = v.village_code AND p.level = 'village'
      CROSS JOIN LATERAL (VALUES
        ('unknown_village', p.code IS NULL OR p.closed_on IS NOT NULL),
        ('outside_area', NOT EXISTS (
          SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(v.village_code, area))),
        ('unclassified_village', p.code IS NOT NULL AND NOT EXISTS (
          SELECT FROM place_class k WHERE k.place_code = v.village_code AND k.valid_from <= :today))
      ) AS reason (code, holds) WHERE reason.holds
    )
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, 'village_code', bad.code, r.household_ref
    FROM bad JOIN import_row r ON r.batch_id = :batch AND r.village_code = bad.village_code
    ON CONFLICT DO NOTHING"""

RESOLVE_PLACES: Final = """
    UPDATE import_row AS r SET village_code = changed.new_code
    FROM (
      SELECT c.old_code, min(c.new_code) AS new_code FROM place_code_change c
      WHERE NOT EXISTS (SELECT FROM place p WHERE p.code = c.old_code AND p.closed_on IS NULL)
      GROUP BY c.old_code HAVING count(*) = 1) AS changed
    WHERE r.batch_id = :batch AND r.village_code = changed.old_code"""
"""A village code that was changed is its present one, where one became one."""

RESOLVE_PARTS: Final = """
    WITH placed AS MATERIALIZED (
      SELECT r.line, (SELECT l.new_code FROM place_placement l
        WHERE l.old_code = r.village_code AND l.household_ref IN (r.household_ref, '')
        ORDER BY l.household_ref = '' LIMIT 1) AS new_code
      FROM (SELECT DISTINCT l.old_code FROM place_placement l
        JOIN place p ON p.code = l.old_code AND p.closed_on IS NOT NULL) AS split
      JOIN import_row r ON r.batch_id = :batch AND r.village_code = split.old_code
    )
    UPDATE import_row AS r SET village_code = placed.new_code FROM placed
    WHERE r.batch_id = :batch AND r.line = placed.line AND placed.new_code IS NOT NULL"""
"""Of a split village, the part that is known of the household; of others, the file must say which."""

JOIN_APART: Final = """
    UPDATE import_row AS r SET seq = apart.seq
    FROM (
      SELECT village_code, household_ref, min(seq) AS seq FROM import_row
      WHERE batch_id = :batch AND village_code IS NOT NULL AND household_ref IS NOT NULL
      GROUP BY village_code, household_ref HAVING min(seq) <> max(seq)) AS apart
    WHERE r.batch_id = :batch AND r.village_code = apart.village_code AND r.household_ref = apart.household_ref
      AND r.seq <> apart.seq"""
"""Lines of one household are those with its village and number, wherever they stand in the file."""

GROUP_HOUSEHOLDS: Final = """
    INSERT INTO import_household (batch_id, seq, village_code, household_ref, first_line, head_line, rows, card_hash,
      content_hash, cells_differ, refs_repeat, heads_repeat, headless)
    SELECT :batch, seq, min(village_code), min(household_ref), min(line),
      min(line) FILTER (WHERE relationship = 'head'), count(*), min(card_hash),
      sha256(string_agg(content, NULL ORDER BY person_ref COLLATE "C")),
      min(ROW(poverty_level, card_hash, card_valid_from, card_valid_until))
        <> max(ROW(poverty_level, card_hash, card_valid_from, card_valid_until)),
      count(DISTINCT person_ref COLLATE "C") < count(person_ref),
      count(*) FILTER (WHERE relationship = 'head') > 1,
      count(*) FILTER (WHERE relationship = 'head') = 0 AND count(relationship) = count(*)
    FROM import_row
    WHERE batch_id = :batch AND seq BETWEEN :first AND :last AND village_code IS NOT NULL AND household_ref IS NOT NULL
    GROUP BY seq ORDER BY seq
    ON CONFLICT DO NOTHING"""
"""Ranges of households may be grouped side by side.

Headless: a head may also stand in a cell that was refused; then that is what is reported."""

FILE_CHECKS: Final = (
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, cell.field, 'household_cells_differ', r.household_ref
    FROM import_household h
    JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.first_line
    JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    CROSS JOIN LATERAL (VALUES
      ('poverty_level', r.poverty_level IS DISTINCT FROM f.poverty_level),
      ('card_number', r.card_hash IS DISTINCT FROM f.card_hash),
      ('card_valid_from', r.card_valid_from IS DISTINCT FROM f.card_valid_from),
      ('card_valid_until', r.card_valid_until IS DISTINCT FROM f.card_valid_until)) AS cell (field, differs)
    WHERE h.batch_id = :batch AND h.cells_differ AND r.line <> h.first_line AND cell.differs
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT batch_id, line, 'person_ref', 'duplicate_person_ref', household_ref FROM (
      SELECT r.batch_id, r.line, r.household_ref,
             row_number() OVER (PARTITION BY r.seq, r.person_ref ORDER BY r.line) AS nth
      FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
      WHERE h.batch_id = :batch AND h.refs_repeat AND r.person_ref IS NOT NULL
    ) AS numbered WHERE nth > 1
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, 'relationship', 'second_head', r.household_ref
    FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    WHERE h.batch_id = :batch AND h.heads_repeat AND r.relationship = 'head' AND r.line <> h.head_line
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT batch_id, first_line, field, code, household_ref FROM import_household
    CROSS JOIN LATERAL (VALUES
      ('relationship', 'no_head', headless),
      ('household_ref', 'too_many_members', rows > :max_members)) AS reason (field, code, holds)
    WHERE batch_id = :batch AND reason.holds
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, 'national_id', 'duplicate_national_id', r.household_ref
    FROM (
      SELECT national_id_hash FROM import_row WHERE batch_id = :batch AND national_id_hash IS NOT NULL
      GROUP BY national_id_hash HAVING count(*) > 1) AS twice
    JOIN import_row r ON r.batch_id = :batch AND r.national_id_hash = twice.national_id_hash
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT h.batch_id, h.first_line, 'card_number', 'duplicate_card_number', h.household_ref
    FROM (
      SELECT card_hash FROM import_household WHERE batch_id = :batch AND card_hash IS NOT NULL
      GROUP BY card_hash HAVING count(*) > 1) AS twice
    JOIN import_household h ON h.batch_id = :batch AND h.card_hash = twice.card_hash
    ON CONFLICT DO NOTHING""",
    """
    WITH given AS MATERIALIZED (
      SELECT r.line, r.household_ref, n.type, n.hash, count(*) OVER (PARTITION BY n.type, n.hash) AS times
      FROM import_row r CROSS JOIN LATERAL jsonb_to_recordset(r.numbers) AS n (type text, hash text)
      WHERE r.batch_id = :batch AND r.numbers IS NOT NULL
    )
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT :batch, line, type, 'duplicate_number', household_ref FROM given WHERE times > 1
    ON CONFLICT DO NOTHING""",
)

REGISTER_CHECKS: Final = (
    # The number's owner is known in this household under this person_ref, or the number is somebody else's.
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, 'national_id', 'registered_national_id', r.household_ref
    FROM import_row r JOIN identifier i ON i.type = 'national_id' AND i.hash = r.national_id_hash
      AND i.withdrawn_at IS NULL
    WHERE r.batch_id = :batch AND r.seq BETWEEN :first AND :last
      AND r.village_code IS NOT NULL AND r.household_ref IS NOT NULL
      AND NOT EXISTS (
        SELECT FROM household g JOIN membership m ON m.household_id = g.id
        WHERE g.village_code = r.village_code AND g.household_ref = r.household_ref
          AND m.person_ref = r.person_ref AND m.person_id = i.owner_id)
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, n.type, 'registered_number', r.household_ref
    FROM import_row r CROSS JOIN LATERAL jsonb_to_recordset(r.numbers) AS n (type text, hash text)
    JOIN identifier i ON i.type = n.type AND i.hash = decode(n.hash, 'hex') AND i.withdrawn_at IS NULL
    WHERE r.batch_id = :batch AND r.seq BETWEEN :first AND :last AND r.numbers IS NOT NULL
      AND r.village_code IS NOT NULL AND r.household_ref IS NOT NULL
      AND NOT EXISTS (
        SELECT FROM household g JOIN membership m ON m.household_id = g.id
        WHERE g.village_code = r.village_code AND g.household_ref = r.household_ref
          AND m.person_ref = r.person_ref AND m.person_id = i.owner_id)
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT h.batch_id, h.first_line, 'card_number', 'registered_card_number', h.household_ref
    FROM import_household h
    JOIN identifier i ON i.type = 'equity_card' AND i.hash = h.card_hash AND i.withdrawn_at IS NULL
    JOIN household g ON g.id = i.owner_id
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last
      AND (g.village_code, g.household_ref) <> (h.village_code, h.household_ref)
    ON CONFLICT DO NOTHING""",
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT h.batch_id, h.first_line, 'household_ref', 'household_dissolved', h.household_ref
    FROM import_household h
    JOIN household g ON g.village_code = h.village_code AND g.household_ref = h.household_ref
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND g.dissolved_on IS NOT NULL
    ON CONFLICT DO NOTHING""",
    # A line that would bring back, under her number in the household, somebody who has died or who lives elsewhere now.
    """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT r.batch_id, r.line, 'person_ref', CASE WHEN p.alive THEN 'member_elsewhere' ELSE 'person_dead' END,
      r.household_ref
    FROM import_household h
    JOIN household g ON g.village_code = h.village_code AND g.household_ref = h.household_ref
    JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    JOIN LATERAL (
      SELECT m.person_id FROM membership m
      WHERE m.household_id = g.id AND m.person_ref = r.person_ref AND m.valid_until IS NOT NULL AND NOT m.void
      ORDER BY m.valid_until DESC LIMIT 1) AS last ON true
    JOIN person p ON p.id = last.person_id
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND g.import_hash IS DISTINCT FROM h.content_hash
      AND NOT EXISTS (SELECT FROM membership m
        WHERE m.household_id = g.id AND m.person_ref = r.person_ref AND m.valid_until IS NULL)
      AND (NOT p.alive OR EXISTS (SELECT FROM membership m
        WHERE m.person_id = p.id AND m.valid_until IS NULL AND m.household_id <> g.id))
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
    JOIN import_household h ON h.batch_id = r.batch_id AND h.seq = r.seq
    WHERE (runs.village_code IS NULL OR runs.village_code = h.village_code) AND NOT EXISTS (
      SELECT FROM import_row o JOIN import_rejection x ON x.batch_id = o.batch_id AND x.line = o.line
      WHERE o.batch_id = h.batch_id AND o.seq = h.seq)
    ON CONFLICT DO NOTHING"""
"""A line whose household cannot be told may belong to the households of its run: they are not loaded without it.

A line without household_ref but with a village may belong to those of that village only."""

FORESEE: Final = """
    UPDATE import_household AS h
    SET outcome = CASE WHEN g.id IS NULL THEN 'registered'
      WHEN g.import_hash IS NOT DISTINCT FROM h.content_hash THEN 'unchanged' ELSE 'updated' END
    FROM import_household s
    LEFT JOIN household g ON g.village_code = s.village_code AND g.household_ref = s.household_ref
    WHERE h.batch_id = :batch AND s.batch_id = :batch AND s.seq = h.seq AND NOT h.refused"""
"""What loading would do with each good household: the counts of a dry run."""

MARK_REFUSED: Final = """
    UPDATE import_household AS h SET refused = true, outcome = NULL
    FROM (
      SELECT DISTINCT r.seq
      FROM import_rejection x JOIN import_row r ON r.batch_id = x.batch_id AND r.line = x.line
      WHERE x.batch_id = :batch AND r.seq BETWEEN :first AND :last
    ) AS bad
    WHERE h.batch_id = :batch AND NOT h.refused AND h.seq = bad.seq"""
"""A household with any bad line is refused whole."""
