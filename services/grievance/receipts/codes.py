"""Receipt codes: 100 random bits that a complainant can read aloud, without I/O.

Only a keyed hash of the code is stored, so the table does not open a single case.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from shared.ids import ALPHABET

CODE_LENGTH: Final = 20
"""Characters of Crockford's base 32, five bits each: 100 bits."""
_GROUP: Final = 5
_MISREAD: Final = str.maketrans("OILU", "011V")
_SEPARATORS: Final = re.compile(r"[\s\-]+")


def new_code() -> str:
    """A fresh receipt code, e.g. `7K2M9-Q4X5A-00B1C-ZZT8W`."""
    text = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(text[start : start + _GROUP] for start in range(0, CODE_LENGTH, _GROUP))


def canonical(code: str) -> str | None:
    """The code as it is hashed, forgiving case, spaces, dashes and look-alike letters; None when it cannot be one."""
    text = _SEPARATORS.sub("", code).upper().translate(_MISREAD)
    return text if len(text) == CODE_LENGTH and all(character in ALPHABET for character in text) else None
