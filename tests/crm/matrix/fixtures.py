"""What tests of killed processes share; loaded by ``tests/conftest.py``."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests.crm.matrix.nursery import Nursery


@pytest.fixture(scope="session")
def mother(django_db_setup, sandbox_process, tmp_path_factory) -> Iterator[Nursery]:
    """One for the whole session; it knows the sandbox and the test's database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    database = address._replace(path=f"/{connection.settings_dict['NAME']}")
    sandbox = sandbox_process
    environment = {
        **os.environ,
        "DATABASE_URL": database.geturl(),
        "WECOM_BASE_URL": sandbox.url,
        "WECOM_CORP_ID": sandbox.corp_id,
        "WECOM_SECRET": sandbox.secret,
        "WECOM_AGENT_ID": str(sandbox.agent_id),
        "WECOM_CALLBACK_TOKEN": sandbox.token,
        "WECOM_CALLBACK_AES_KEY": sandbox.aes_key,
        "WECOM_ARCHIVE_SECRET": sandbox.archive_secret,
        "CELERY_BROKER_URL": "redis+socket:///nonexistent?virtual_host=0",  # Nobody to ring for.
    }
    nursery = Nursery(environment, tmp_path_factory.mktemp("nursery") / "log")
    yield nursery
    nursery.close()


@pytest.fixture
def nursery(mother, transactional_db, tmp_path, monkeypatch) -> Nursery:
    """The mother, with the folders of this test."""
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "wecom.frequency")  # As for her children.
    mother.values = {"MEDIA_ROOT": str(tmp_path / "media")}
    return mother
