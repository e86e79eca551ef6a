"""What every test can use."""

import os
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import HealthCheck, settings

from tests.servers import embedded

# How long an example takes is the machine's affair: speed is what benches measure.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

pytest_plugins = [
    "tests.sandbox_fixture",
    "tests.crm.matrix.fixtures",
    "tests.crm.matrix.summary",
    "tests.crm.wecom_helpers",
    "tests.crm.archive_helpers",
    "tests.crm.archive_library",
]


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()


@pytest.fixture(autouse=True)
def _unhurried_pages(settings):
    """The first fold of a process compiles; beside other work that outlasts a page's few seconds,
    and a test that means the answer would meet the progress bar."""
    settings.QUESTION_QUICK_SECONDS = 60


@pytest.fixture(autouse=True)
def _fresh_answers(settings):
    """A fold that took a second would be shown to the next request of a test, whatever came in."""
    settings.ANSWERS_LAST = False


# Above this a table is quicker cut off than emptied row by row.
_MUCH = 1 << 20
_FILLED = """
select relname, pg_relation_size(oid) from pg_class
where relname = any(%s) and relkind = 'r' and pg_relation_size(oid) > 0
"""


@pytest.fixture(autouse=True, scope="session")
def _quick_flush():
    """After a test whose rows were committed, empty the tables that have any.

    Django cuts off all tables, which makes new files for each of them and for every index: 0.3 s
    after each of 400 tests.
    """
    whole = DatabaseOperations.sql_flush

    def sql_flush(self, style, tables, *, reset_sequences=False, allow_cascade=False):
        with self.connection.cursor() as cursor:
            cursor.execute(_FILLED, [list(tables)])
            filled = cursor.fetchall()
        if reset_sequences or any(size > _MUCH for _table, size in filled):
            return whole(
                self, style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade
            )
        # Without triggers: facts refuse to be deleted, and order would matter to foreign keys.
        emptied = [f"delete from {self.quote_name(table)}" for table, _size in filled]
        return ["set local session_replication_role = replica", *emptied]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(DatabaseOperations, "sql_flush", sql_flush)
        yield


@pytest.fixture
def process_environment(transactional_db) -> dict[str, str]:
    """The environment for real processes (worker, command) that work on the test's database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    database = address._replace(path=f"/{connection.settings_dict['NAME']}")
    return {**os.environ, "DATABASE_URL": database.geturl()}


def pytest_sessionfinish() -> None:
    """Let go of the embedded servers without making their keeper wait."""
    embedded.leave(embedded.ROOT / "var" / "test")
