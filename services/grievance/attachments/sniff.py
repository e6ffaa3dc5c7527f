"""What a file really is, from its content; the name and the declared type are not believed. Pure.

Only types whose structure can be followed from the first byte to the last are taken, and nothing may stand between or
behind: a file that is two types at once (a picture with a script or an archive behind it) is refused. Nothing is
rendered or executed here; of a PDF, packed objects are unpacked within bounds and searched for what would run.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Final

PDF, JPEG, PNG, OGG, TEXT = "application/pdf", "image/jpeg", "image/png", "audio/ogg", "text/plain"
MEDIA_TYPES: Final = {PDF: "pdf", JPEG: "jpg", PNG: "png", OGG: "ogg", TEXT: "txt"}
"""Accepted types and the extension under which they are handed out."""

_PNG_HEAD: Final = b"\x89PNG\r\n\x1a\n"
_NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_OGG_SOUND: Final = (b"OpusHead", b"\x01vorbis", b"Speex   ", b"\x7fFLAC")
_ACTIVE_PDF: Final = re.compile(
    rb"/(?:JavaScript|Launch|EmbeddedFiles?|OpenAction|RichMedia|XFA|Encrypt)\b"
    # Short names stand by chance in the pixels of any scanned paper: only with what follows them in a dictionary.
    rb"|/JS\s*(?:[(<]|\d+\s+\d+\s+R)|/AA\s*(?:<<|\d+\s+\d+\s+R)"
)
_HEX_NAME: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM: Final = re.compile(rb"\bstream\r?\n")
_FILTERS: Final = re.compile(rb"/Filter\s*\[?\s*((?:/\w+\s*)*)")
_DICTIONARY_BYTES: Final = 4_096
"""How far before a stream its dictionary is looked for."""
_UNPACKED_BYTES: Final = 16 << 20
"""Packed objects of one PDF are unpacked so far; one that has more cannot be looked into."""
_MARKUP: Final = re.compile(rb"<\s*(?:!doctype|html|script|svg|iframe|body|head|\?xml|\?php)", re.IGNORECASE)
_SNIFFED_BYTES: Final = 1024
"""Browsers look for markup in so many first bytes: none may be there, whatever the file is."""


class ActiveContent(ValueError):
    """A document that would do something when opened, or that hides whether it would."""


def media_type(content: bytes) -> str | None:
    """The type of a file, one of MEDIA_TYPES; None when it is none of them, damaged, or two things at once.

    Raises:
        ActiveContent: a PDF with scripts, launches, forms that run, or embedded files; or one that is encrypted or
            packed so that nobody can tell.
    """
    if _MARKUP.search(content[:_SNIFFED_BYTES]):
        return None
    if content.startswith(b"%PDF-"):
        return _pdf(content)
    if content.startswith(b"\xff\xd8\xff"):
        return JPEG if _is_jpeg(content) else None
    if content.startswith(_PNG_HEAD):
        return PNG if _is_png(content) else None
    if content.startswith(b"OggS"):
        return OGG if _is_ogg(content) else None
    return TEXT if _is_text(content) else None


def _is_png(content: bytes) -> bool:
    """Chunks with right check sums, from the header to the end, and nothing behind."""
    at, kinds = len(_PNG_HEAD), []
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        end = at + 12 + length
        if end > len(content) or int.from_bytes(content[end - 4 : end], "big") != zlib.crc32(content[at + 4 : end - 4]):
            return False
        kinds.append(content[at + 4 : at + 8])
        at = end
        if kinds[-1] == b"IEND":
            break
    return at == len(content) and kinds[:1] == [b"IHDR"] and kinds[-1] == b"IEND"


def _is_jpeg(content: bytes) -> bool:
    """One picture from its beginning to its end, or several behind each other, as telephones write them."""
    at = 0
    while at < len(content):
        if content[at : at + 2] != b"\xff\xd8" or (end := _jpeg_end(content, at + 2)) is None:
            return False
        at = end
    return True


def _jpeg_end(content: bytes, at: int) -> int | None:
    """Where the picture ends whose segments begin here; None when it does not."""
    while at + 4 <= len(content) or content[at : at + 2] == b"\xff\xd9":
        marker = content[at + 1]
        if content[at] != 0xFF or marker in {0x00, 0xD8}:
            return None
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == 0xD9:
            return at + 2
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if length < 2:
            return None
        at += 2 + length
        if marker == 0xDA:  # the picture itself, up to a marker that is neither data nor a restart
            found = _NEXT_MARKER.search(content, at)
            if found is None:
                return None
            at = found.start()
    return None


def _is_ogg(content: bytes) -> bool:
    """Pages of sound behind each other, up to the last byte."""
    at, first = 0, b""
    while at < len(content):
        if content[at : at + 5] != b"OggS\x00" or at + 27 > len(content):
            return False
        lengths = content[at + 27 : at + 27 + content[at + 26]]
        body = at + 27 + content[at + 26]
        first = first or content[body : body + 8]
        at = body + sum(lengths)
    return at == len(content) and first.startswith(_OGG_SOUND)


def _pdf(content: bytes) -> str | None:
    if not content.rstrip(b"\r\n\t \x00").endswith(b"%%EOF"):
        return None
    if _ACTIVE_PDF.search(_plain(content)) or any(_ACTIVE_PDF.search(_plain(text)) for text in _packed(content)):
        raise ActiveContent("the document contains something that runs when it is opened")
    return PDF


def _plain(text: bytes) -> bytes:
    """Names may be written with #xx escapes: /J#61vaScript is /JavaScript."""
    return _HEX_NAME.sub(lambda match: bytes([int(match.group(1), 16)]), text)


def _packed(content: bytes) -> Iterator[bytes]:
    """Objects that are packed into streams, unpacked. Raises ActiveContent: packed in another way than usual."""
    left = _UNPACKED_BYTES
    for match in _STREAM.finditer(content):
        start = content.rfind(b"obj", max(0, match.start() - _DICTIONARY_BYTES), match.start())
        dictionary = _plain(content[max(start, match.start() - _DICTIONARY_BYTES, 0) : match.start()])
        if b"/ObjStm" not in dictionary:
            continue
        filters = _FILTERS.search(dictionary)
        names = filters.group(1).split() if filters else []
        if names != [b"/FlateDecode"]:
            raise ActiveContent("objects are packed so that nobody can look into them")
        unpacker = zlib.decompressobj()
        try:
            text = unpacker.decompress(content[match.end() :], left)
        except zlib.error:
            raise ActiveContent("objects are packed so that nobody can look into them") from None
        left -= len(text)
        if left <= 0 or not unpacker.eof:
            raise ActiveContent("there is more in it than can be looked into")
        yield text


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\n\r\t\u200b\u200c\u200d" for character in text)
