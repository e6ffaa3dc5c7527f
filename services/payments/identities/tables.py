"""Projections of `registry.identities`, and the groups that follow from them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from services.payments.metadata import metadata

identity_alias = Table(
    "identity_alias",
    metadata,
    Column("retired_id", UUID, primary_key=True),
    Column("surviving_id", UUID, nullable=False),
    Column("kind", Text, nullable=False),
    Column("merge_id", UUID, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)
"""What the registry said last of each retired record; a merge that was undone stays, inactive."""

identity_member = Table(
    "identity_member",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("canonical_id", UUID, nullable=False),
)
"""Every id of a group of more than one record, and the one that survives. Ids that stand alone are not in it."""
