"""All facts, read in the order in which the table lies on disk and sorted into buckets beside it.

To sort a hundred million rows in the database takes longer than everything else. Read as they lie
they are spilled into a file for each bucket, and a bucket is small enough to sort in memory. What
is needed of memory does not grow with the number of facts.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from analytics.events.columns import Events
from analytics.events.facts import DIMENSIONS, Raw, facts_as_they_lie

# Customers count from the first of their bucket, which has less than 2**32.
_ROW = np.dtype(
    [("id", "<i8"), ("at", "<i8"), ("customer", "<u4"), ("kind", "<i2")]
    + [(name, "<u4") for name in DIMENSIONS]
)


class Spill:
    """Facts by bucket of customers, in files of a folder that is the caller's to delete."""

    def __init__(self, folder: Path, bits: int) -> None:
        folder.mkdir()
        self.folder, self.bits = folder, bits
        self.newest = datetime.fromtimestamp(0, UTC)

    def fill(self, upto: int) -> None:
        """Take in every fact with an id of at most ``upto``, sorting while the next are read."""
        with ThreadPoolExecutor(1) as sorter:
            waiting: Future[None] | None = None
            for raw in facts_as_they_lie(upto):
                self.newest = max(self.newest, raw.recorded_at)
                if waiting:
                    waiting.result()
                waiting = sorter.submit(self._sort, raw)
            if waiting:
                waiting.result()

    def _sort(self, raw: Raw) -> None:
        customers = raw.column("customer")
        numbers = customers >> self.bits
        first = int(numbers.min())
        # Few numbers take few bytes, and what takes two bytes is sorted by counting.
        places = numbers - first
        narrow = places.astype(np.uint16) if places.max() < 1 << 16 else places
        order = np.argsort(narrow, kind="stable")
        rows = np.empty(len(customers), _ROW)
        rows["customer"] = (customers & ((1 << self.bits) - 1))[order]
        for name in ("id", "at", "kind", *DIMENSIONS):
            rows[name] = raw.column(name)[order]
        ends = np.cumsum(np.bincount(narrow)).tolist()
        begin = 0
        for place, end in enumerate(ends):
            if end > begin:
                with self._file(first + place).open("ab") as file:
                    rows[begin:end].tofile(file)
            begin = end

    def _file(self, number: int) -> Path:
        return self.folder / str(number)

    @property
    def numbers(self) -> Iterator[int]:
        """Buckets that have facts."""
        yield from sorted(int(file.name) for file in self.folder.iterdir())

    def events(self, number: int) -> Events:
        """One bucket's events in order of recording; its file is gone then."""
        rows = np.fromfile(self._file(number), _ROW)
        self._file(number).unlink()
        # Nearly in order already: the table is appended to.
        rows = rows[np.argsort(rows["id"], kind="stable")]
        return Events(
            rows["customer"].astype(np.int64) + (number << self.bits),
            np.ascontiguousarray(rows["at"]),
            np.ascontiguousarray(rows["kind"]),
            {name: np.ascontiguousarray(rows[name]) for name in DIMENSIONS},
        )
