"""Loading one chunk of staged households into the register: a few statements over all of them, in one transaction.

Part of the imports repository (all values are bound). Parameters: `batch`, `first` and `last` (the chunk's households,
by `seq`), `today`, `now`, `change_id` (the register_change of what is new; that of updates is the transaction's). Rules
of an update, for a household (village, household_ref) that is known:

* what the file said last time is remembered: a household sent again unchanged is left alone, also when an officer has
  corrected it since (an old file never undoes a correction);
* a person is the one known in this household under the same person_ref;
* a member that the file no longer lists has left; one that is listed again is back;
* an empty cell removes nothing for national_id and phone; any other cell is what the file says it is.

Every line brings the id of its person, if she is new, so what is new goes from staging to the register as plain
INSERT ... SELECT over a range of an index. Nothing looks up what is there already: the register's unique constraints
stop a household or number that somebody else registered since the checks (`load_import` then checks the chunk again).
"""

from __future__ import annotations

from typing import Final

LOCK_KNOWN: Final = """
    SELECT h.seq, g.id, g.reference, g.import_hash IS NOT DISTINCT FROM h.content_hash AS same
    FROM import_household h
    JOIN household g ON g.village_code = h.village_code AND g.household_ref = h.household_ref
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND NOT h.refused
    ORDER BY g.id FOR UPDATE OF g"""

SET_OUTCOMES: Final = """
    UPDATE import_household AS h
    SET household_id = chosen.id, reference = chosen.reference, outcome = chosen.outcome
    FROM unnest(CAST(:seqs AS bigint[]), CAST(:ids AS uuid[]), CAST(:references AS text[]), CAST(:outcomes AS text[]))
      AS chosen (seq, id, reference, outcome)
    WHERE h.batch_id = :batch AND h.seq = chosen.seq AND h.seq BETWEEN :first AND :last"""

MATCH_MEMBERS: Final = """
    UPDATE import_row AS r SET person_id = found.person_id, known = true
    FROM (
      SELECT DISTINCT ON (n.line) n.line, m.person_id
      FROM import_household h
      JOIN import_row n ON n.batch_id = h.batch_id AND n.seq = h.seq
      CROSS JOIN LATERAL (
        SELECT p.person_id, p.valid_until FROM membership p
        WHERE p.household_id = h.household_id AND p.person_ref = n.person_ref AND p.valid_until IS NULL
        UNION ALL
        SELECT p.person_id, p.valid_until FROM membership p
        WHERE p.household_id = h.household_id AND p.person_ref = n.person_ref AND p.valid_until IS NOT NULL
          AND NOT p.void) AS m
      WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'updated'
      ORDER BY n.line, m.valid_until DESC NULLS FIRST) AS found
    WHERE r.batch_id = :batch AND r.line = found.line"""
"""Which person each line of a known household is: the one known under its person_ref, or a new one."""

REGISTER_STEPS: Final = (
    """
    INSERT INTO household (id, reference, village_code, household_ref, location_class, poverty_level, card_valid_from,
      card_valid_until, head_person_id, effective_on, import_hash, created_at, updated_at, change_id)
    SELECT h.household_id, h.reference, h.village_code, h.household_ref, k.location_class, f.poverty_level,
      f.card_valid_from, f.card_valid_until, f.person_id, least(f.card_valid_from, :today), h.content_hash, :now, :now,
      :change_id
    FROM import_household h
    JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.head_line
    JOIN LATERAL (
      SELECT c.location_class FROM place_class c WHERE c.place_code = h.village_code AND c.valid_from <= :today
      ORDER BY c.valid_from DESC LIMIT 1) AS k ON true
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'registered'
    ORDER BY h.household_id""",
    """
    INSERT INTO person (id, name_km, name_en, sex, birth_date, birth_date_precision, disability, living_with_hiv,
      pregnant, phone_cipher, phone_hash, change_id)
    SELECT r.person_id, r.name_km, r.name_en, r.sex, r.birth_date, r.birth_date_precision, r.disability,
      r.living_with_hiv, r.pregnant, r.phone_cipher, r.phone_hash, :change_id
    FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND r.seq BETWEEN :first AND :last
      AND h.outcome IN ('registered', 'updated') AND NOT r.known
    ORDER BY r.person_id""",
)
"""New households and new persons."""

UPDATE_STEPS: Final = (
    """
    UPDATE household AS g
    SET poverty_level = f.poverty_level, card_valid_from = f.card_valid_from, card_valid_until = f.card_valid_until,
        at_risk = g.at_risk AND f.poverty_level IS NULL, head_person_id = f.person_id, effective_on = :today,
        import_hash = h.content_hash, version = g.version + 1, updated_at = :now
    FROM import_household h
    JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.head_line
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'updated' AND g.id = h.household_id""",
    """
    UPDATE person AS p
    SET name_km = r.name_km, name_en = r.name_en, sex = r.sex, birth_date = r.birth_date,
        birth_date_precision = r.birth_date_precision, disability = r.disability, living_with_hiv = r.living_with_hiv,
        pregnant = r.pregnant, phone_cipher = coalesce(r.phone_cipher, p.phone_cipher),
        expected_delivery_on = CASE WHEN r.pregnant THEN p.expected_delivery_on END,
        phone_hash = coalesce(r.phone_hash, p.phone_hash)
    FROM import_row r
    WHERE r.batch_id = :batch AND r.seq BETWEEN :first AND :last AND r.known AND p.id = r.person_id""",
    """
    UPDATE membership AS s SET valid_until = greatest(s.valid_from, CAST(:today AS date) - 1)
    FROM (
      SELECT h.household_id, array_agg(r.person_id) AS listed
      FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
      WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'updated'
      GROUP BY h.household_id) AS now
    WHERE s.household_id = now.household_id AND s.valid_until IS NULL AND s.person_id <> ALL (now.listed)""",
    """
    UPDATE membership AS s SET relationship = 'other'
    FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'updated' AND r.known
      AND s.household_id = h.household_id AND s.person_id = r.person_id AND s.valid_until IS NULL
      AND s.relationship = 'head' AND r.relationship <> 'head'""",
    """
    UPDATE membership AS s SET relationship = r.relationship
    FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'updated' AND r.known
      AND s.household_id = h.household_id AND s.person_id = r.person_id AND s.valid_until IS NULL
      AND s.relationship <> r.relationship""",
    """
    UPDATE identifier AS i SET withdrawn_at = :now FROM import_row r
    WHERE i.withdrawn_at IS NULL AND r.batch_id = :batch AND r.seq BETWEEN :first AND :last AND r.known
      AND r.national_id_hash IS NOT NULL
      AND i.owner_id = r.person_id AND i.type = 'national_id' AND i.hash <> r.national_id_hash""",
    """
    UPDATE identifier AS i SET withdrawn_at = :now FROM import_household h
    WHERE i.withdrawn_at IS NULL AND h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'updated'
      AND i.owner_id = h.household_id AND i.type = 'equity_card' AND i.hash IS DISTINCT FROM h.card_hash""",
    """
    INSERT INTO membership (household_id, person_id, person_ref, relationship, valid_from)
    SELECT h.household_id, r.person_id, r.person_ref, r.relationship, :today
    FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'updated' AND r.known
      AND NOT EXISTS (SELECT FROM membership s WHERE s.person_id = r.person_id AND s.valid_until IS NULL)""",
    """
    INSERT INTO identifier (type, hash, owner_id, cipher, change_id)
    SELECT 'national_id', r.national_id_hash, r.person_id, r.national_id_cipher, :change_id FROM import_row r
    WHERE r.batch_id = :batch AND r.seq BETWEEN :first AND :last AND r.known AND r.national_id_hash IS NOT NULL
      AND NOT EXISTS (SELECT FROM identifier i WHERE i.withdrawn_at IS NULL AND i.owner_id = r.person_id
        AND i.type = 'national_id')""",
    """
    INSERT INTO identifier (type, hash, owner_id, cipher, change_id)
    SELECT 'equity_card', f.card_hash, h.household_id, f.card_cipher, :change_id
    FROM import_household h JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.head_line
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'updated' AND f.card_hash IS NOT NULL
      AND NOT EXISTS (SELECT FROM identifier i WHERE i.withdrawn_at IS NULL AND i.owner_id = h.household_id
        AND i.type = 'equity_card')""",
)
"""Known households. Those no longer listed have left; a former head gives way before the new one is written."""

COMMON_STEPS: Final = (
    """
    INSERT INTO membership (household_id, person_id, person_ref, relationship, valid_from, change_id)
    SELECT h.household_id, r.person_id, r.person_ref, r.relationship,
      CASE h.outcome WHEN 'registered' THEN greatest(r.birth_date, least(r.card_valid_from, :today)) ELSE :today END,
      :change_id
    FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND r.seq BETWEEN :first AND :last
      AND h.outcome IN ('registered', 'updated') AND NOT r.known
    ORDER BY h.household_id""",
    """
    INSERT INTO identifier (type, hash, owner_id, cipher, change_id)
    SELECT 'national_id', r.national_id_hash, r.person_id, r.national_id_cipher, :change_id
    FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND r.seq BETWEEN :first AND :last
      AND h.outcome IN ('registered', 'updated') AND NOT r.known AND r.national_id_hash IS NOT NULL
    ORDER BY r.national_id_hash""",
    """
    INSERT INTO identifier (type, hash, owner_id, cipher, change_id)
    SELECT 'equity_card', f.card_hash, h.household_id, f.card_cipher, :change_id
    FROM import_household h JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.head_line
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'registered'
      AND f.card_hash IS NOT NULL
    ORDER BY f.card_hash""",
)
"""Memberships and identifiers of new persons and new households: a number that was given back above is free here."""
