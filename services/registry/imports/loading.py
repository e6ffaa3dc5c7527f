"""Loading one chunk of staged households into the register: a few statements over all of them, in one transaction.

Part of the imports repository (all values are bound). Parameters: `batch`, `first` and `last` (the chunk's households,
by `seq`), `today`, `now`, `change_id` (the register_change of what is new; that of updates is the transaction's). Rules
of an update, for a household (village, household_ref) that is known:

* what the file said last time is remembered: a household sent again unchanged is left alone, also when an officer has
  corrected it since (an old file never undoes a correction);
* a person is the one known in this household under the same person_ref;
* a member that the file no longer lists has left; one that is listed again is back;
* an empty cell removes nothing for national_id and phone; any other cell is what the file says it is;
* an optional column that is not there, or an empty cell of it, says nothing.

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

REGISTER: Final = """
    WITH fresh AS MATERIALIZED (
      SELECT h.household_id, h.outcome, h.village_code, h.household_ref, h.reference, h.content_hash,
        r.line = h.head_line AS head, r.poverty_level, r.card_valid_from, r.card_valid_until, r.card_hash,
        r.card_cipher, r.person_id, r.membership_id, r.person_ref, r.relationship, r.name_km, r.name_en, r.sex,
        r.birth_date, r.birth_date_precision, r.disability, r.living_with_hiv, r.pregnant, r.phone_cipher, r.phone_hash,
        r.national_id_hash, r.national_id_cipher, r.facts, r.numbers
      FROM import_household h JOIN import_row r ON r.batch_id = h.batch_id AND r.seq = h.seq
      WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND r.seq BETWEEN :first AND :last
        AND h.outcome IN ('registered', 'updated') AND NOT r.known
    ), households AS (
      INSERT INTO household (id, reference, village_code, household_ref, location_class, poverty_level, card_valid_from,
        card_valid_until, head_person_id, effective_on, import_hash, created_at, updated_at, change_id, kind,
        poverty_score, poverty_source, poverty_cause)
      SELECT f.household_id, f.reference, f.village_code, f.household_ref, k.location_class, f.poverty_level,
        f.card_valid_from, f.card_valid_until, f.person_id, least(f.card_valid_from, :today), f.content_hash, :now,
        :now, :change_id, coalesce(f.facts ->> 'kind', 'family'), CAST(f.facts ->> 'poverty_score' AS numeric),
        f.facts ->> 'poverty_source', f.facts ->> 'poverty_cause'
      FROM fresh f
      JOIN LATERAL (
        SELECT c.location_class FROM place_class c WHERE c.place_code = f.village_code AND c.valid_from <= :today
        ORDER BY c.valid_from DESC LIMIT 1) AS k ON true
      WHERE f.outcome = 'registered' AND f.head
    ), people AS (
      INSERT INTO person (id, name_km, name_en, sex, birth_date, birth_date_precision, disability, living_with_hiv,
        pregnant, phone_cipher, phone_hash, change_id, expected_delivery_on, disability_card_valid_until,
        washington_group, education_level, school_code, employment, insured, civil_servant)
      SELECT person_id, name_km, name_en, sex, birth_date, birth_date_precision, disability, living_with_hiv, pregnant,
        phone_cipher, phone_hash, :change_id, CAST(facts ->> 'expected_delivery_on' AS date),
        CAST(facts ->> 'disability_card_valid_until' AS date), facts -> 'washington_group',
        coalesce(facts ->> 'education_level', 'none'), facts ->> 'school_code',
        coalesce(facts ->> 'employment', 'none'), coalesce(CAST(facts ->> 'insured' AS boolean), false),
        coalesce(CAST(facts ->> 'civil_servant' AS boolean), false)
      FROM fresh
    ), members AS (
      INSERT INTO membership (id, household_id, person_id, person_ref, relationship, valid_from, change_id)
      SELECT membership_id, household_id, person_id, person_ref, relationship,
        CASE outcome WHEN 'registered' THEN greatest(birth_date, least(card_valid_from, :today)) ELSE :today END,
        :change_id
      FROM fresh
    )
    INSERT INTO identifier (type, hash, owner_id, cipher, change_id, issuer, valid_from, valid_until)
    SELECT 'national_id', national_id_hash, person_id, national_id_cipher, CAST(:change_id AS uuid),
      facts ->> 'national_id_issuer', CAST(facts ->> 'national_id_valid_from' AS date),
      CAST(facts ->> 'national_id_valid_until' AS date)
    FROM fresh WHERE national_id_hash IS NOT NULL
    UNION ALL
    SELECT 'equity_card', card_hash, household_id, card_cipher, :change_id, facts ->> 'card_issuer', card_valid_from,
      card_valid_until
    FROM fresh WHERE outcome = 'registered' AND head AND card_hash IS NOT NULL
    UNION ALL
    SELECT n.type, decode(n.hash, 'hex'), f.person_id, decode(n.cipher, 'hex'), :change_id, n.issuer, n.valid_from,
      n.valid_until
    FROM fresh f CROSS JOIN LATERAL jsonb_to_recordset(f.numbers)
      AS n (type text, hash text, cipher text, issuer text, valid_from date, valid_until date)
    WHERE f.numbers IS NOT NULL"""
"""All that is new, by one walk over the staged lines: households, persons, their memberships and numbers.

It comes after UPDATE_STEPS: a number or a place in a household that was given back there is free here. Rows come about
in the order of their ids, both being that of the file: sorting them would cost more than it saves the indexes.
"""

UPDATE_STEPS: Final = (
    """
    UPDATE household AS g
    SET poverty_level = f.poverty_level, card_valid_from = f.card_valid_from, card_valid_until = f.card_valid_until,
        kind = coalesce(f.facts ->> 'kind', g.kind),
        poverty_score = coalesce(CAST(f.facts ->> 'poverty_score' AS numeric), g.poverty_score),
        poverty_source = coalesce(f.facts ->> 'poverty_source', g.poverty_source),
        poverty_cause = coalesce(f.facts ->> 'poverty_cause', g.poverty_cause),
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
        expected_delivery_on = CASE WHEN r.pregnant
          THEN coalesce(CAST(r.facts ->> 'expected_delivery_on' AS date), p.expected_delivery_on) END,
        disability_card_valid_until =
          coalesce(CAST(r.facts ->> 'disability_card_valid_until' AS date), p.disability_card_valid_until),
        washington_group = coalesce(r.facts -> 'washington_group', p.washington_group),
        education_level = coalesce(r.facts ->> 'education_level', p.education_level),
        school_code = coalesce(r.facts ->> 'school_code', p.school_code),
        employment = coalesce(r.facts ->> 'employment', p.employment),
        insured = coalesce(CAST(r.facts ->> 'insured' AS boolean), p.insured),
        civil_servant = coalesce(CAST(r.facts ->> 'civil_servant' AS boolean), p.civil_servant),
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
    UPDATE identifier AS i SET withdrawn_at = :now
    FROM import_row r CROSS JOIN LATERAL jsonb_to_recordset(r.numbers) AS n (type text, hash text)
    WHERE i.withdrawn_at IS NULL AND r.batch_id = :batch AND r.seq BETWEEN :first AND :last AND r.known
      AND r.numbers IS NOT NULL AND i.owner_id = r.person_id AND i.type = n.type AND i.hash <> decode(n.hash, 'hex')""",
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
    INSERT INTO identifier (type, hash, owner_id, cipher, change_id, issuer, valid_from, valid_until)
    SELECT n.type, decode(n.hash, 'hex'), r.person_id, decode(n.cipher, 'hex'), CAST(:change_id AS uuid), n.issuer,
      n.valid_from, n.valid_until
    FROM import_row r CROSS JOIN LATERAL jsonb_to_recordset(r.numbers)
      AS n (type text, hash text, cipher text, issuer text, valid_from date, valid_until date)
    WHERE r.batch_id = :batch AND r.seq BETWEEN :first AND :last AND r.known AND r.numbers IS NOT NULL
      AND NOT EXISTS (SELECT FROM identifier i WHERE i.withdrawn_at IS NULL AND i.owner_id = r.person_id
        AND i.type = n.type)""",
    """
    INSERT INTO identifier (type, hash, owner_id, cipher, change_id, issuer, valid_from, valid_until)
    SELECT 'national_id', r.national_id_hash, r.person_id, r.national_id_cipher, CAST(:change_id AS uuid),
      r.facts ->> 'national_id_issuer', CAST(r.facts ->> 'national_id_valid_from' AS date),
      CAST(r.facts ->> 'national_id_valid_until' AS date)
    FROM import_row r
    WHERE r.batch_id = :batch AND r.seq BETWEEN :first AND :last AND r.known AND r.national_id_hash IS NOT NULL
      AND NOT EXISTS (SELECT FROM identifier i WHERE i.withdrawn_at IS NULL AND i.owner_id = r.person_id
        AND i.type = 'national_id')""",
    """
    INSERT INTO identifier (type, hash, owner_id, cipher, change_id, issuer, valid_from, valid_until)
    SELECT 'equity_card', f.card_hash, h.household_id, f.card_cipher, CAST(:change_id AS uuid),
      f.facts ->> 'card_issuer', f.card_valid_from, f.card_valid_until
    FROM import_household h JOIN import_row f ON f.batch_id = h.batch_id AND f.line = h.head_line
    WHERE h.batch_id = :batch AND h.seq BETWEEN :first AND :last AND h.outcome = 'updated' AND f.card_hash IS NOT NULL
      AND NOT EXISTS (SELECT FROM identifier i WHERE i.withdrawn_at IS NULL AND i.owner_id = h.household_id
        AND i.type = 'equity_card')""",
)
"""Known households. Those no longer listed have left; a former head gives way before the new one is written."""
