"""One chDB for a test process: it takes one process per folder and one folder per process."""

import tempfile
from functools import lru_cache

from analytics.clickhouse import tables
from analytics.clickhouse.connection import Connection


@lru_cache(maxsize=1)
def house() -> Connection:
    """An empty warehouse of this process."""
    found = Connection("chdb://" + tempfile.mkdtemp(prefix="changke-chdb-"))
    tables.create(found)
    return found
