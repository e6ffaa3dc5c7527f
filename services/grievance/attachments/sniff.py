"""What a file really is, from its content; the name and the declared type are not believed. Pure.

Only types whose structure can be checked from both ends are taken, and nothing may follow their end: a file that is two
types at once (a picture with a script behind it) is refused. Nothing is parsed further, rendered or executed here.
"""

from __future__ import annotations

import re
from typing import Final

PDF, JPEG, PNG, OGG, TEXT = "application/pdf", "image/jpeg", "image/png", "audio/ogg", "text/plain"
MEDIA_TYPES: Final = {PDF: "pdf", JPEG: "jpg", PNG: "png", OGG: "ogg", TEXT: "txt"}
"""Accepted types and the extension under which they are handed out."""

_PNG_END: Final = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_ACTIVE_PDF: Final = re.compile(rb"/(?:JavaScript|JS|Launch|EmbeddedFile|OpenAction|AA|RichMedia|XFA)\b")
_HEX_NAME: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_MARKUP: Final = re.compile(rb"<\s*(?:!doctype|html|script|svg|iframe|body|head|\?xml|\?php)", re.IGNORECASE)
_SNIFFED_BYTES: Final = 1024
"""Browsers look for markup in so many first bytes: none may be there, whatever the file is."""


class ActiveContent(ValueError):
    """A document that would do something when opened."""


def media_type(content: bytes) -> str | None:
    """The type of a file, one of MEDIA_TYPES; None when it is none of them, damaged, or two things at once.

    Raises:
        ActiveContent: a PDF with scripts, launches, forms that run, or embedded files.
    """
    if _MARKUP.search(content[:_SNIFFED_BYTES]):
        return None
    if content.startswith(b"%PDF-"):
        return _pdf(content)
    if content.startswith(b"\xff\xd8\xff"):
        return JPEG if content.endswith(b"\xff\xd9") else None
    if content.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"):
        return PNG if content.endswith(_PNG_END) and content.count(_PNG_END) == 1 else None
    if content.startswith(b"OggS\x00"):
        return OGG
    return TEXT if _is_text(content) else None


def _pdf(content: bytes) -> str | None:
    if b"%%EOF" not in content[-64:]:
        return None
    # Names may be written with #xx escapes: /J#61vaScript is /JavaScript.
    plain = _HEX_NAME.sub(lambda match: bytes([int(match.group(1), 16)]), content)
    if _ACTIVE_PDF.search(plain):
        raise ActiveContent("the document contains something that runs when it is opened")
    return PDF


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\n\r\t\u200b\u200c\u200d" for character in text)
