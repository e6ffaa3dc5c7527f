"""Exact keys: who of a file is, by them, somebody that the register knows already elsewhere.

Part of the imports repository (all values are bound). Parameters: `batch`, `now`. A national identity or card number
that somebody else has is refused by the checks, since it is one person's. These keys are many people's, so nothing is
refused: the two are listed as a candidate (`duplicate_candidate`), and an officer decides. Or, where the officer who
sends the file says so (`newcomers=hold`), the household is held back and reported: she decides before it is registered.
"""

from __future__ import annotations

from typing import Final

HOLD_NEWCOMERS: Final = """
    INSERT INTO import_rejection (batch_id, line, field, code, household_ref)
    SELECT DISTINCT r.batch_id, r.line, 'person_ref', 'known_elsewhere', r.household_ref
    FROM import_row r
    JOIN person p ON p.birth_date = r.birth_date AND p.sex = r.sex AND (
      (r.name_en <> '' AND lower(p.name_en) = lower(r.name_en)) OR (r.name_km <> '' AND p.name_km = r.name_km)
      OR p.phone_hash = r.phone_hash)
    JOIN membership m ON m.person_id = p.id AND m.valid_until IS NULL
    JOIN household g ON g.id = m.household_id
    WHERE r.batch_id = :batch AND r.birth_date_precision = 'day' AND p.alive AND p.merged_into IS NULL
      AND (g.village_code, g.household_ref) <> (r.village_code, r.household_ref)
      AND (left(g.village_code, 4) = left(r.village_code, 4) OR p.phone_hash = r.phone_hash)
      AND NOT EXISTS (
        SELECT FROM household o
        JOIN membership k ON k.household_id = o.id AND k.person_ref = r.person_ref AND NOT k.void
        WHERE o.village_code = r.village_code AND o.household_ref = r.household_ref)
    ON CONFLICT DO NOTHING"""
"""By the same keys, before anybody is registered: lines whose person is new to the household and lives elsewhere."""

NEWCOMERS_TABLE: Final = """
    CREATE TEMPORARY TABLE fresh (person_id uuid, sex text, birth_date date, name_en text, name_km text,
      phone_hash bytea, household_id uuid, village_code text) ON COMMIT DROP"""
NEWCOMERS: Final = """
    INSERT INTO fresh
    SELECT r.person_id, r.sex, r.birth_date, lower(r.name_en), r.name_km, r.phone_hash, h.household_id, h.village_code
    FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    WHERE h.batch_id = :batch AND h.outcome IN ('registered', 'updated') AND NOT r.known
      AND r.birth_date_precision = 'day'"""
"""The people of the file who are new. A table, so that the planner can be told how many they are."""
COUNT_NEWCOMERS: Final = "ANALYZE fresh (birth_date)"
LIST_CANDIDATES: Final = """
    WITH pairs AS (
      SELECT f.person_id AS new_id, p.id AS old_id, 'name_en' AS key FROM fresh f JOIN person p
        ON p.birth_date = f.birth_date AND p.sex = f.sex AND lower(p.name_en) = f.name_en
      WHERE f.name_en <> '' AND p.id <> f.person_id AND p.alive AND p.merged_into IS NULL
      UNION ALL
      SELECT f.person_id, p.id, 'name_km' FROM fresh f JOIN person p
        ON p.birth_date = f.birth_date AND p.sex = f.sex AND p.name_km = f.name_km
      WHERE f.name_km <> '' AND p.id <> f.person_id AND p.alive AND p.merged_into IS NULL
      UNION ALL
      SELECT f.person_id, p.id, 'phone' FROM fresh f JOIN person p
        ON p.phone_hash = f.phone_hash AND p.birth_date = f.birth_date AND p.sex = f.sex
      WHERE p.id <> f.person_id AND p.alive AND p.merged_into IS NULL
    ), elsewhere AS (
      SELECT pairs.new_id, pairs.old_id, array_agg(DISTINCT pairs.key ORDER BY pairs.key) AS keys
      FROM pairs GROUP BY pairs.new_id, pairs.old_id
    ), placed AS (
      SELECT e.new_id, e.old_id, e.keys, f.village_code AS new_village, g.village_code AS old_village,
        row_number() OVER (PARTITION BY e.new_id ORDER BY e.old_id) AS nth
      FROM elsewhere e
      JOIN fresh f ON f.person_id = e.new_id
      JOIN membership m ON m.person_id = e.old_id AND m.valid_until IS NULL
      JOIN household g ON g.id = m.household_id
      WHERE m.household_id <> f.household_id
        AND (left(g.village_code, 4) = left(f.village_code, 4) OR 'phone' = ANY (e.keys))
    )
    INSERT INTO duplicate_candidate (kind, left_id, right_id, left_village, right_village, source, source_id, score,
      band, reasons, found_at)
    SELECT DISTINCT ON (least(new_id, old_id), greatest(new_id, old_id))
      'person', least(new_id, old_id), greatest(new_id, old_id),
      CASE WHEN new_id < old_id THEN new_village ELSE old_village END,
      CASE WHEN new_id < old_id THEN old_village ELSE new_village END,
      'import', :batch, 1, 'exact',
      (SELECT jsonb_agg(jsonb_build_object('field', key, 'level', 'same')) FROM unnest(
        keys || ARRAY['birth_date', 'sex']) AS key),
      :now
    FROM placed WHERE nth <= 5
    ORDER BY least(new_id, old_id), greatest(new_id, old_id)
    ON CONFLICT (kind, left_id, right_id) DO NOTHING"""
"""At most five for each newcomer: more of the same name and day of birth are a default date, not one person."""
