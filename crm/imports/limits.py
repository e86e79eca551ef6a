"""How large a file may be. All are checked before, or while, anything is parsed."""

MAX_CSV_BYTES = 512 * 1024 * 1024
MAX_XLSX_BYTES = 50 * 1024 * 1024
MAX_ROWS = 5_000_000
MAX_SHEET_ROWS = 1_048_576  # Excel's own limit.
MAX_COLUMNS = 200
MAX_CELL = 32_767  # Excel's own limit.
MAX_RECORD = 1_000_000

# A workbook is a zip: what it may unpack to, and how much denser than usual it may be packed.
MAX_ENTRIES = 2_000
MAX_UNPACKED = 1024 * 1024 * 1024
MAX_STRINGS = 48 * 1024 * 1024  # All shared texts are held in memory while a sheet is read.
MAX_RATIO = 150
RATIO_MATTERS_FROM = 4 * 1024 * 1024
