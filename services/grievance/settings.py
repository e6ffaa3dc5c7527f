"""Settings of grievance."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import Field, SecretStr

from shared.settings import Settings

_CONFIGURATION = Path(__file__).parent / "configuration"


class GrievanceSettings(Settings):
    """What grievance needs beyond every service's settings."""

    service: str = "grievance"
    encryption_key: SecretStr
    """Base64 of 32 bytes: encrypts what people wrote."""
    sealed_key: SecretStr | None = None
    """Base64 of 32 bytes, another one: encrypts what people wrote in sealed cases. Without it such complaints are
    refused (`sealing_not_configured`), never taken unsealed."""
    hash_key: SecretStr
    """Base64 of 32 bytes, another one: under it receipt codes are hashed."""
    categories_file: Path = _CONFIGURATION / "categories.yaml"
    holidays_file: Path = _CONFIGURATION / "holidays_kh.yaml"
    messages_file: Path = _CONFIGURATION / "messages.yaml"
    hold_longest_days: int = Field(default=90, ge=1, le=366)
    """A hold ends at most so many days after it is placed."""
    notification_sender: str = "file"
    """How complainants are told: `file`, `http`, or `package.module:factory` of your own (docs/grievance.md)."""
    notification_url: str = ""
    """Where the HTTP sender posts: https, or http on this machine."""
    notification_token: SecretStr | None = None
    """Bearer token of the HTTP sender."""
    notification_dir: Path = Path(tempfile.gettempdir()) / "samaki-grievance"
    """Where the file sender writes."""
    attachment_max_bytes: int = Field(default=5 << 20, ge=1024, le=32 << 20)
    attachment_scanner: str = "none"
    """Who looks for malware in attachments: `none`, or `package.module:factory` of your own (docs/grievance.md)."""
    receipt_failures_per_client: int = Field(default=20, ge=1, le=1000)
    """Wrong receipt codes from one client within an hour, after which its look-ups are refused for the rest of it."""
    receipt_failures_per_prefix: int = Field(default=10, ge=1, le=1000)
    """Wrong receipt codes with the same first five characters within an hour, from whomever."""
