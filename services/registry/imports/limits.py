"""Bounds of household files beyond their size in bytes: what a small file may become when it is unpacked."""

from __future__ import annotations

from typing import Final

MAX_ROWS: Final = 10_000_000
"""Lines of one file; a country sends several."""
MAX_CELL: Final = 16_384
"""Characters of one cell, and bytes of one line of text."""
MAX_ENTRIES: Final = 500
"""Files inside an XLSX."""
MAX_UNPACKED_BYTES: Final = 1 << 30
"""Of all files inside an XLSX, or of a Parquet file's columns, together."""
MAX_SHARED_STRINGS_BYTES: Final = 64 << 20
"""Of the one part of an XLSX that must be held in memory."""
MAX_RATIO: Final = 200
"""Unpacked bytes for each packed one, of an entry above RATIO_FROM_BYTES: real sheets have 5 to 20."""
RATIO_FROM_BYTES: Final = 1 << 20
MAX_ROW_GROUP_BYTES: Final = 256 << 20
"""Unpacked bytes of one Parquet row group: writers make them of 64 to 128 MiB."""
TABLE_ROWS: Final = 2_000
"""Rows of a sheet or Parquet file that are read at once."""
