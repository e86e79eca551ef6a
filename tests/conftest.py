"""What every test can use."""

import os
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.db import connection
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


@pytest.fixture
def process_environment(transactional_db) -> dict[str, str]:
    """The environment for real processes (worker, command) that work on the test's database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    database = address._replace(path=f"/{connection.settings_dict['NAME']}")
    return {**os.environ, "DATABASE_URL": database.geturl()}


def pytest_sessionfinish() -> None:
    """Let go of the embedded servers without making their keeper wait."""
    embedded.leave(embedded.ROOT / "var" / "test")
