"""One chDB for a test process: it takes one process per folder and one folder per process."""

import random
import tempfile
from copy import copy
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count

from analytics.clickhouse import tables
from analytics.clickhouse.connection import Connection
from analytics.clickhouse.loading import FACT_COLUMNS
from analytics.clickhouse.source import ClickHouseSource

SECOND = 1_000_000
LETTERS = "ABCD"


@lru_cache(maxsize=1)
def house() -> Connection:
    """An empty warehouse of this process."""
    found = Connection("chdb://" + tempfile.mkdtemp(prefix="changke-chdb-"))
    tables.create(found)
    return found


class Bench(ClickHouseSource):
    """A source over the warehouse without PostgreSQL: kinds are letters."""

    allowed, where, data_time, span = None, "", None, (0, 0)
    _numbers = count(4_000_000)

    def __init__(self, events, kinds, data_time):
        """Events are (customer, microseconds, kind) and, where they say more, properties."""
        self.house, self.kinds, self.data_time = house(), kinds, data_time
        self.dataset = next(self._numbers)
        self.where = f"dataset = {self.dataset}"
        self.unit_names, self._attribute_names = [], {}
        rows = []
        for number, (who, at, event, *said) in enumerate(events, start=1):
            properties = said[0] if said else {}
            channel = properties.get("channel", "")
            told = [number, 0, kinds[event], "", channel, None, properties]
            rows.append([self.dataset, who, at, *told])
        # Once as they come and once more, as a load that was not sure would.
        for batch in (rows, random.Random(4).sample(rows, len(rows) // 3)):
            self.house.insert("facts", FACT_COLUMNS, batch)
        times = [row[2] for row in rows]
        self.span = (min(times) // SECOND, max(times) // SECOND)

    @classmethod
    def of_logs(cls, logs):
        """Logs of (at, letter), and what else the event says."""
        events = [(who, *event) for who, log in enumerate(logs) for event in log]
        kinds = {letter: number for number, letter in enumerate(LETTERS, start=1)}
        return cls(events, kinds, datetime.fromtimestamp(60, UTC))

    def narrowed(self, condition):
        """The same facts for a viewer who sees some of the customers."""
        found = copy(self)
        found.where = f"{self.where} and {condition}"
        return found

    def check_loaded(self):
        return None

    def kind_ids(self, codes):
        return {code: self.kinds[code] for code in codes if code in self.kinds}

    def all_kinds(self):
        return dict(self.kinds)
