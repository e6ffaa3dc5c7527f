"""Settings every service has, read from the environment; a wrong or missing one stops the start and is named.

A service subclasses `Settings` and adds its own. Variables are prefixed `SAMAKI_`, e.g. `SAMAKI_DATABASE_URL`;
`KAFKA_BOOTSTRAP_SERVERS` keeps the name that everybody uses for it.
"""

from __future__ import annotations

import re
from typing import Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError


class Settings(BaseSettings):
    """What every process of every service needs to know."""

    model_config = SettingsConfigDict(env_prefix="SAMAKI_", extra="ignore", frozen=True, populate_by_name=True)

    service: str

    database_url: SecretStr
    """`postgresql://role:password@host:port/database`, the service's own role."""
    time_zone: str = "Asia/Phnom_Penh"
    """Where days begin and end: what is due today, what lies in the future, the day that a movement is booked on."""
    database_schema: str = ""
    """Schema of all its tables; empty: the service's name. Set as the search path, so no SQL names it."""
    database_pool_size: int = Field(default=10, ge=1, le=100)
    statement_timeout_seconds: int = Field(default=30, ge=1)
    """Limit for one statement of an API request; background roles have none."""

    bus: Literal["kafka", "postgres"] = "kafka"
    kafka_bootstrap_servers: str = Field(
        default="",
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "SAMAKI_KAFKA_BOOTSTRAP_SERVERS"),
    )
    bus_database_url: SecretStr | None = None
    """Only for `bus=postgres`: the database of the log that stands in for Kafka."""
    bus_partitions: int = Field(default=6, ge=1, le=1000)
    bus_replication: int = Field(default=1, ge=1)
    topic_prefix: str = ""
    """Put before every topic's name on the wire, so that tests share a broker."""

    jwks: str = ""
    """Where token keys are read: a file path or an http(s) URL. The API refuses to start without it."""
    jwt_issuer: str = "samaki-local"
    jwt_audience: str = "samaki"

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535)
    ops_port: int = Field(default=0, ge=0, le=65535)
    """Health and metrics of relay, consumer and worker; 0: none."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"

    consumer_batch_size: int = Field(default=2000, ge=1, le=10_000)
    relay_batch_size: int = Field(default=5000, ge=1, le=50_000)
    inbox_retention_days: int = Field(default=30, ge=1)
    """How long a claimed event id is remembered: longer than the broker keeps events."""

    encryption_key: SecretStr | None = None
    """AES-256 key, base64 of 32 bytes. Services that hold personal data require it; answers kept under an
    Idempotency-Key are encrypted with it where it is given. While a key is being changed: the new one, a comma, the
    old one."""

    @property
    def schema_name(self) -> str:
        """The schema in force."""
        return self.database_schema or self.service

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("must be an IANA time zone, e.g. Asia/Phnom_Penh") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The country's time zone."""
        return ZoneInfo(self.time_zone)

    @model_validator(mode="after")
    def _bus_is_reachable(self) -> Self:
        if self.bus == "kafka" and not self.kafka_bootstrap_servers:
            raise ValueError("KAFKA_BOOTSTRAP_SERVERS is required when SAMAKI_BUS is kafka")
        if self.bus == "postgres" and self.bus_database_url is None:
            raise ValueError("SAMAKI_BUS_DATABASE_URL is required when SAMAKI_BUS is postgres")
        return self


S = TypeVar("S", bound=Settings)


def load_settings(settings_type: type[S]) -> S:
    """Read settings from the environment.

    Raises:
        SystemExit: naming each variable that is missing or wrong; values are never printed.
    """
    try:
        return settings_type()
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            field = str(problem["loc"][0]) if problem["loc"] else ""
            known = field.lower() in settings_type.model_fields
            name = f"SAMAKI_{field.upper()}: " if known else (f"{field}: " if field else "")
            lines.append(f"  {name}{problem['msg']}")
        raise SystemExit("configuration error\n" + "\n".join(lines)) from None
    except SettingsError as error:
        told = re.search(r'field "(\w+)"', str(error))
        name = f"SAMAKI_{told[1].upper()}: " if told else ""
        raise SystemExit(f"configuration error\n  {name}is not JSON, as a list must be") from None
