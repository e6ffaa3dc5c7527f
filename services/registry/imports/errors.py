"""What can be wrong with a household file as a whole. A bad line is not an error: it is a rejection in the report.

Problem
├── BodyCutShort 400 body_cut_short      ├── UnsupportedBody 415 unsupported_body
├── NotUtf8 400 not_utf8                 ├── FileTooLarge 413 file_too_large
├── WrongHeader 400 wrong_header         ├── UploadAbandoned 409 upload_abandoned
├── LineTooLong 400 line_too_long        ├── ImportNotFound 404 import_not_found
├── EmptyFile 400 empty_file             └── UnpacksTooLarge 413 unpacks_too_large
└── UnreadableFile 400 unreadable_file
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import BadRequest, Conflict, NotFound, PayloadTooLarge, Problem


class BodyCutShort(BadRequest):
    """The connection ended before the whole file had come."""

    code, title = "body_cut_short", "The file did not arrive whole"


class NotUtf8(BadRequest):
    """Bytes that are not UTF-8, on a line."""

    code, title = "not_utf8", "The file is not UTF-8 text"

    def __init__(self, line: int) -> None:
        super().__init__(f"Line {line} is not UTF-8: save the file as CSV UTF-8 and send it again.", line=line)


class WrongHeader(BadRequest):
    """The first line does not name the columns."""

    code, title = "wrong_header", "The first line must name the columns"

    def __init__(self, missing: Sequence[str], unknown: int, repeated: Sequence[str]) -> None:
        parts = [f"missing: {', '.join(missing)}"] if missing else []
        parts += [f"{unknown} unknown"] if unknown else []
        parts += [f"repeated: {', '.join(repeated)}"] if repeated else []
        # Unknown names are counted, not repeated: a file without a header has people's data in its first line.
        super().__init__(
            f"Columns {'; '.join(parts)}.", missing=list(missing), unknown=unknown, repeated=list(repeated)
        )


class LineTooLong(BadRequest):
    """A line that cannot be one person."""

    code, title = "line_too_long", "A line is too long"

    def __init__(self, line: int, limit: int) -> None:
        super().__init__(f"Line {line} has more than {limit} bytes.", line=line)


class EmptyFile(BadRequest):
    """Nothing but, at most, a header."""

    code, title = "empty_file", "The file has no lines"


class UnreadableFile(BadRequest):
    """Not of the format it was announced as, or damaged."""

    code, title = "unreadable_file", "The file cannot be read"

    def __init__(self, kind: str) -> None:
        super().__init__(f"It is not a whole {kind} file: save it again and send it anew.", kind=kind)


class UnpacksTooLarge(PayloadTooLarge):
    """A small file that would become a very large one."""

    code, title = "unpacks_too_large", "The file becomes too large when it is unpacked"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Unpacked, a file has at most {limit} bytes and no part is packed beyond what sheets are: send it as CSV.",
            limit=limit,
        )


class UnsupportedBody(Problem):
    """None of the formats, or packed once more."""

    status, code, title = 415, "unsupported_body", "Send CSV, NDJSON, XLSX or Parquet as it is, uncompressed"


class FileTooLarge(PayloadTooLarge):
    """More bytes than the service takes at once."""

    code, title = "file_too_large", "The file is too large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A file has at most {limit} bytes: divide it between households.", limit=limit)


class UploadAbandoned(Conflict):
    """The staged rows were cleaned away while the upload was still going on."""

    code, title = "upload_abandoned", "The upload took too long"


class ImportNotFound(NotFound):
    """No such import, or not yours to see."""

    code, title = "import_not_found", "There is no such import"
