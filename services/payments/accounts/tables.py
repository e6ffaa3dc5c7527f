"""Tables of financial addresses. Numbers and names are ciphertext; `number_hash` finds a number without reading it."""

from __future__ import annotations

from sqlalchemy import Column, Computed, DateTime, Integer, LargeBinary, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from services.payments.metadata import metadata

account = Table(
    "account",
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("uuidv7()")),
    Column("beneficiary_id", UUID, nullable=False),
    Column("rail", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("number_encrypted", LargeBinary, nullable=False),
    Column("number_hash", LargeBinary, nullable=False),
    Column("holder_name_encrypted", LargeBinary, nullable=False),
    Column("token", UUID, Computed("number_hash"), nullable=False),
    Column("holder_name_hash", LargeBinary),
    Column("holder_born_encrypted", LargeBinary),
    Column("purpose", Text, nullable=False),
    Column("preference", Integer, nullable=False, server_default=text("1")),
    Column("status", Text, nullable=False),
    Column("village_code", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("usable_from", DateTime(timezone=True)),
    Column("changed_by", Text, nullable=False, server_default=""),
    Column("confirmed_by", Text),
    Column("validation", Text, nullable=False, server_default="unknown"),
    Column("verified_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

account_history = Table(
    "account_history",
    metadata,
    Column("account_id", UUID, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("rail", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("number_encrypted", LargeBinary, nullable=False),
    Column("number_hash", LargeBinary, nullable=False),
    Column("holder_name_encrypted", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("reason", Text, nullable=False),
    Column("proof_kind", Text),
    Column("proof_reference_encrypted", LargeBinary),
)
"""Every version of every account, the present one included: what was approved can always be read back."""

account_import = Table(
    "account_import",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("created_by", Text, nullable=False),
    Column("areas", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("total", Integer, nullable=False),
    Column("applied_line", Integer),
    Column("accepted", Integer, nullable=False, server_default=text("0")),
    Column("unchanged", Integer, nullable=False, server_default=text("0")),
    Column("rejected", Integer, nullable=False, server_default=text("0")),
    Column("flagged", Integer, nullable=False, server_default=text("0")),
    Column("finished_at", DateTime(timezone=True)),
)
"""`applied_line`: null before validation, then the last line that was applied: a job that died goes on from there."""

account_import_finding = Table(
    "account_import_finding",
    metadata,
    Column("import_id", UUID, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("message", Text, nullable=False),
    Column("severity", Text, nullable=False),
)
"""What is wrong with a line: an `error` refuses it, a `warning` flags it."""
