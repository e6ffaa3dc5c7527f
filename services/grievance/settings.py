"""Settings of grievance."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from shared.settings import Settings

_CONFIGURATION = Path(__file__).parent / "configuration"


class GrievanceSettings(Settings):
    """What grievance needs beyond every service's settings."""

    service: str = "grievance"
    encryption_key: SecretStr
    """Base64 of 32 bytes: encrypts what people wrote."""
    hash_key: SecretStr
    """Base64 of 32 bytes, another one: under it receipt codes are hashed."""
    categories_file: Path = _CONFIGURATION / "categories.yaml"
    holidays_file: Path = _CONFIGURATION / "holidays_kh.yaml"
    hold_longest_days: int = Field(default=90, ge=1, le=366)
    """A hold ends at most so many days after it is placed."""
