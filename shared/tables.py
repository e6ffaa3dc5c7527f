"""The kit's own tables, present in every service's schema. Created by `shared.migrations`, reached by these objects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, UUID

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def new_metadata() -> MetaData:
    """Metadata with the house's constraint names: every constraint can be named in an error and in a migration."""
    return MetaData(naming_convention=NAMING)


kit_metadata = new_metadata()


def _now(name: str, **options: Any) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now(), **options)


outbox_table = Table(
    "outbox",
    kit_metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", UUID, nullable=False, server_default=text("uuidv7()")),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("data", JSON, nullable=False),
    _now("occurred_at"),
    Column("traceparent", Text),
)
"""Events committed with the state they tell of, until the relay has the broker's word for them."""

outbox_published = Table(
    "outbox_published",
    kit_metadata,
    Column("topic", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""How many distinct events of each type left the outbox, counted in the transaction that removes them."""

inbox_table = Table(
    "inbox",
    kit_metadata,
    Column("event_id", UUID, primary_key=True),
    Column("topic", Text, nullable=False),
    _now("claimed_at"),
    Index(None, "claimed_at", postgresql_using="brin"),
)
"""Ids of events whose effect is committed here: a second delivery finds its id and does nothing."""

inbox_consumed = Table(
    "inbox_consumed",
    kit_metadata,
    Column("topic", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""How many distinct events of each topic were claimed, handled or parked."""

parked_event = Table(
    "parked_event",
    kit_metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("event_id", UUID),
    Column("type", Text),
    Column("headers", JSONB, nullable=False),
    Column("value", LargeBinary),
    Column("reason", Text, nullable=False),
    Column("follows_parked", SmallInteger, nullable=False, server_default=text("0")),
    _now("parked_at"),
    UniqueConstraint("topic", "partition", "offset"),
    Index(None, "topic", "key"),
)
"""Events that could not be handled, with their successors of the same key, until an operator replays them."""

idempotency_key = Table(
    "idempotency_key",
    kit_metadata,
    Column("subject", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", SmallInteger),
    Column("headers", JSONB),
    Column("body", LargeBinary),
    _now("created_at"),
    Index(None, "created_at", postgresql_using="brin"),
)
"""The first answer to each Idempotency-Key, with the hash of the request it answered."""

job_table = Table(
    "job",
    kit_metadata,
    Column("id", UUID, primary_key=True, server_default=text("uuidv7()")),
    Column("kind", Text, nullable=False),
    Column("key", Text),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("run_at", DateTime(timezone=True), nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("lease_owner", Text),
    Column("lease_until", DateTime(timezone=True)),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("total", BigInteger),
    Column("message", Text, nullable=False, server_default=""),
    Column("result", JSONB),
    Column("error", JSONB),
    Column("created_by", Text, nullable=False, server_default=""),
    _now("created_at"),
    Column("finished_at", DateTime(timezone=True)),
    Column("traceparent", Text),
    Index("uq_job_unfinished_key", "kind", "key", unique=True, postgresql_where=text("state in ('queued','running')")),
    Index("ix_job_due", "run_at", postgresql_where=text("state in ('queued','running')")),
)
"""Work that outlives a request: leased with heartbeats, run again after a crash."""

schedule_run = Table(
    "schedule_run",
    kit_metadata,
    Column("name", Text, primary_key=True),
    Column("next_run_at", DateTime(timezone=True), nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", DateTime(timezone=True)),
    Column("last_error", Text),
)
"""When each periodic task is due next, and which worker has it."""

audit_entry = Table(
    "audit_entry",
    kit_metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _now("at"),
    Column("actor", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("areas", ARRAY(Text), nullable=False),
    Column("action", Text, nullable=False),
    Column("object_type", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("traceparent", Text),
    Index(None, "object_type", "object_id"),
    Index(None, "actor"),
)
"""Who did what, append-only: the database refuses UPDATE and DELETE."""
