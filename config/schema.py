"""Migrations on embedded servers, where nobody would think of applying them."""

from pathlib import Path

import psycopg
from django.core.management import call_command

from config import catalogues
from config.processes import Lock

WAIT_SECONDS = 180


def is_new(database: str) -> bool:
    """Whether nothing was ever migrated in the database at this address."""
    with psycopg.connect(database) as connection:
        return connection.execute("select to_regclass('django_migrations')").fetchone()[0] is None


def bring_up_to_date(state: Path) -> None:
    """Apply migrations and compile translations, one process at a time."""
    lock = Lock(state / "schema.lock")
    try:
        if not lock.take(wait=WAIT_SECONDS):
            raise TimeoutError("Another process is still setting up the database.")
        catalogues.compile_all()
        call_command("migrate", interactive=False, verbosity=0)
    finally:
        lock.close()
