"""Loading one chunk of staged households into the register: a few statements over all of them, in one transaction.

Part of the imports repository (all values are bound). Parameters: `batch`, `seqs` (the households of the chunk),
`today`, `now`. Rules of an update, for a household (village, household_ref) that is known:

* what the file said last time is remembered: a household sent again unchanged is left alone, also when an officer has
  corrected it since (an old file never undoes a correction);
* a person is the one known in this household under the same person_ref;
* a member that the file no longer lists has left; one that is listed again is back;
* an empty cell removes nothing for national_id and phone; any other cell is what the file says it is.
"""

from __future__ import annotations

from typing import Final

LOCK_KNOWN: Final = """
    SELECT g.id FROM import_household h
    JOIN household g ON g.village_code = h.village_code AND g.household_ref = h.household_ref
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[])) ORDER BY g.id FOR UPDATE OF g"""

CLASSIFY: Final = """
    WITH content AS (
      SELECT h.seq, sha256(convert_to(string_agg(concat_ws('|',
          length(r.person_ref), r.person_ref, length(r.name_km), r.name_km, length(r.name_en), r.name_en, r.sex,
          r.birth_date, r.birth_date_precision, r.relationship, coalesce(encode(r.national_id_hash, 'hex'), '-'),
          coalesce(encode(r.phone_hash, 'hex'), '-'), r.disability, r.living_with_hiv, r.pregnant,
          coalesce(r.poverty_level, 0), coalesce(encode(r.card_hash, 'hex'), '-'),
          coalesce(r.card_valid_from, '-infinity'), coalesce(r.card_valid_until, '-infinity')
        ), '/' ORDER BY r.person_ref COLLATE "C"), 'UTF8')) AS hash
      FROM import_household h JOIN import_row r
        ON r.batch_id = h.batch_id AND r.village_code = h.village_code AND r.household_ref = h.household_ref
      WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[])) AND NOT h.refused
      GROUP BY h.seq
    )
    UPDATE import_household AS h
    SET content_hash = content.hash, household_id = g.id, reference = g.reference,
        outcome = CASE WHEN g.id IS NULL THEN 'registering' WHEN g.import_hash = content.hash THEN 'unchanged'
                  ELSE 'updating' END
    FROM content
    JOIN import_household n ON n.batch_id = :batch AND n.seq = content.seq
    LEFT JOIN household g ON g.village_code = n.village_code AND g.household_ref = n.household_ref
    WHERE h.batch_id = :batch AND h.seq = content.seq
    RETURNING h.seq, h.outcome"""

NAME_NEW: Final = """
    UPDATE import_household AS h SET household_id = minted.id, reference = minted.name
    FROM unnest(CAST(:seqs AS bigint[]), CAST(:ids AS uuid[]), CAST(:references AS text[])) AS minted (seq, id, name)
    WHERE h.batch_id = :batch AND h.seq = minted.seq"""

MATCH_MEMBERS: Final = """
    INSERT INTO import_member (batch_id, line, household_id, person_id, known)
    SELECT r.batch_id, r.line, h.household_id, coalesce(p.person_id, uuidv7()), p.person_id IS NOT NULL
    FROM import_household h JOIN import_row r
      ON r.batch_id = h.batch_id AND r.village_code = h.village_code AND r.household_ref = h.household_ref
    LEFT JOIN LATERAL (
      SELECT m.person_id FROM membership m
      WHERE m.household_id = h.household_id AND m.person_ref = r.person_ref
      ORDER BY m.valid_until DESC NULLS FIRST LIMIT 1) AS p ON h.outcome = 'updating'
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[])) AND h.outcome IN ('registering', 'updating')"""
"""Which person each line is: the one known under its person_ref, or a new one."""

REGISTER_STEPS: Final = (
    """
    INSERT INTO household (id, reference, village_code, household_ref, location_class, poverty_level, card_valid_from,
      card_valid_until, head_person_id, effective_on, import_hash, created_at, updated_at)
    SELECT h.household_id, h.reference, h.village_code, h.household_ref, k.location_class, f.poverty_level,
      f.card_valid_from, f.card_valid_until, head.person_id, least(f.card_valid_from, :today), h.content_hash,
      :now, :now
    FROM import_household h
    JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.first_line
    JOIN LATERAL (
      SELECT m.person_id FROM import_member m
        JOIN import_row r ON r.batch_id = m.batch_id AND r.line = m.line
      WHERE m.batch_id = :batch AND m.household_id = h.household_id AND r.relationship = 'head') AS head ON true
    JOIN LATERAL (
      SELECT c.location_class FROM place_class c WHERE c.place_code = h.village_code AND c.valid_from <= :today
      ORDER BY c.valid_from DESC LIMIT 1) AS k ON true
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[])) AND h.outcome = 'registering'
    ORDER BY h.household_id""",
    """
    INSERT INTO person (id, name_km, name_en, sex, birth_date, birth_date_precision, disability, living_with_hiv,
      pregnant, phone_cipher)
    SELECT m.person_id, r.name_km, r.name_en, r.sex, r.birth_date, r.birth_date_precision, r.disability,
      r.living_with_hiv, r.pregnant, r.phone_cipher
    FROM import_member m
      JOIN import_row r ON r.batch_id = m.batch_id AND r.line = m.line
    WHERE m.batch_id = :batch AND NOT m.known
    ORDER BY m.person_id""",
)
"""New households and new persons."""

UPDATE_STEPS: Final = (
    """
    UPDATE household AS g
    SET poverty_level = f.poverty_level, card_valid_from = f.card_valid_from, card_valid_until = f.card_valid_until,
        at_risk = g.at_risk AND f.poverty_level IS NULL, head_person_id = head.person_id, effective_on = :today,
        import_hash = h.content_hash, version = g.version + 1, updated_at = :now
    FROM import_household h
    JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.first_line
    JOIN LATERAL (
      SELECT m.person_id FROM import_member m
        JOIN import_row r ON r.batch_id = m.batch_id AND r.line = m.line
      WHERE m.batch_id = :batch AND m.household_id = h.household_id AND r.relationship = 'head') AS head ON true
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[]))
      AND h.outcome = 'updating' AND g.id = h.household_id""",
    """
    UPDATE person AS p
    SET name_km = r.name_km, name_en = r.name_en, sex = r.sex, birth_date = r.birth_date,
        birth_date_precision = r.birth_date_precision, disability = r.disability, living_with_hiv = r.living_with_hiv,
        pregnant = r.pregnant, phone_cipher = coalesce(r.phone_cipher, p.phone_cipher)
    FROM import_member m
      JOIN import_row r ON r.batch_id = m.batch_id AND r.line = m.line
    WHERE m.batch_id = :batch AND m.known AND p.id = m.person_id""",
    """
    UPDATE membership AS s SET valid_until = greatest(s.valid_from, CAST(:today AS date) - 1)
    FROM import_household h
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[]))
      AND h.outcome = 'updating' AND s.household_id = h.household_id AND s.valid_until IS NULL
      AND NOT EXISTS (SELECT FROM import_member m WHERE m.batch_id = :batch AND m.person_id = s.person_id)""",
    """
    UPDATE membership AS s SET relationship = 'other'
    FROM import_member m
      JOIN import_row r ON r.batch_id = m.batch_id AND r.line = m.line
    WHERE m.batch_id = :batch AND m.known AND s.household_id = m.household_id AND s.person_id = m.person_id
      AND s.valid_until IS NULL
      AND s.relationship = 'head' AND r.relationship <> 'head'""",
    """
    UPDATE membership AS s SET relationship = r.relationship
    FROM import_member m
      JOIN import_row r ON r.batch_id = m.batch_id AND r.line = m.line
    WHERE m.batch_id = :batch AND m.known AND s.household_id = m.household_id AND s.person_id = m.person_id
      AND s.valid_until IS NULL
      AND s.relationship <> r.relationship""",
    """
    DELETE FROM identifier AS i USING import_member m
      JOIN import_row r ON r.batch_id = m.batch_id AND r.line = m.line
    WHERE m.batch_id = :batch AND m.known AND i.owner_id = m.person_id AND i.type = 'national_id'
      AND r.national_id_hash IS NOT NULL AND i.hash <> r.national_id_hash""",
    """
    DELETE FROM identifier AS i USING import_household h
    JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.first_line
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[]))
      AND h.outcome = 'updating' AND i.owner_id = h.household_id AND i.type = 'equity_card'
      AND i.hash IS DISTINCT FROM f.card_hash""",
)
"""Known households. Those no longer listed have left; a former head gives way before the new one is written."""

COMMON_STEPS: Final = (
    """
    INSERT INTO membership (household_id, person_id, person_ref, relationship, valid_from)
    SELECT m.household_id, m.person_id, r.person_ref, r.relationship,
      CASE WHEN h.outcome = 'registering' THEN greatest(r.birth_date, least(r.card_valid_from, :today)) ELSE :today END
    FROM import_household h
    JOIN import_member m ON m.batch_id = h.batch_id AND m.household_id = h.household_id
    JOIN import_row r ON r.batch_id = m.batch_id AND r.line = m.line
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[])) AND NOT (m.known AND EXISTS (
      SELECT FROM membership s WHERE s.person_id = m.person_id AND s.valid_until IS NULL))""",
    """
    INSERT INTO identifier (type, hash, owner_id, cipher)
    SELECT 'national_id', r.national_id_hash, m.person_id, r.national_id_cipher FROM import_member m
      JOIN import_row r ON r.batch_id = m.batch_id AND r.line = m.line
    WHERE m.batch_id = :batch AND r.national_id_hash IS NOT NULL AND NOT (m.known AND EXISTS (
      SELECT FROM identifier i WHERE i.owner_id = m.person_id AND i.type = 'national_id'))""",
    """
    INSERT INTO identifier (type, hash, owner_id, cipher)
    SELECT 'equity_card', f.card_hash, h.household_id, f.card_cipher
    FROM import_household h JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.first_line
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[]))
      AND h.outcome IN ('registering', 'updating') AND f.card_hash IS NOT NULL AND NOT (
      h.outcome = 'updating' AND EXISTS (
        SELECT FROM identifier i WHERE i.owner_id = h.household_id AND i.type = 'equity_card'))""",
)
"""Memberships and identifiers, of new and of known households."""

CHANGED_HOUSEHOLDS: Final = """
    SELECT h.household_id FROM import_household h
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[])) AND h.outcome IN ('registering', 'updating')"""

FINISH: Final = """
    UPDATE import_household AS h
    SET outcome = CASE h.outcome WHEN 'registering' THEN 'registered' WHEN 'updating' THEN 'updated' ELSE h.outcome END
    WHERE h.batch_id = :batch AND h.seq = ANY (CAST(:seqs AS bigint[])) AND h.outcome IS NOT NULL"""

CLEAR_MEMBERS: Final = "DELETE FROM import_member WHERE batch_id = :batch"
