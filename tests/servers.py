"""The servers that the tests run on, put into the environment before settings are read.

Loaded by `-p tests.servers` (pyproject.toml). Where DATABASE_URL is set, that server is used;
otherwise embedded ones of the tests' own, quick and forgetful, shared by test runs that overlap:
each run makes its own databases and keeps its files in a folder of its own.
"""

import atexit
import os
import re
import shutil
import tempfile

from config import catalogues, embedded

XDIST_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def _own_servers() -> None:
    values = embedded.join(embedded.ROOT / "var" / "test", throwaway=True)
    database = f"{embedded.DATABASE}_{os.getpid()}"
    values["DATABASE_URL"] = values["DATABASE_URL"].replace(
        f"/{embedded.DATABASE}?", f"/{database}?"
    )
    values["CHANGKE_STATE"] = files = tempfile.mkdtemp(prefix="changke-test-")
    atexit.register(shutil.rmtree, files, ignore_errors=True)
    os.environ.update(values)


def _own_valkey_databases(worker: str) -> None:
    """Parallel workers must not see one another's cache and queues."""
    first = 2 + 2 * int(re.sub(r"\D", "", worker))
    for variable, name, offset in (
        ("CELERY_BROKER_URL", "virtual_host", 0),
        ("CACHE_URL", "db", 1),
    ):
        url = re.sub(rf"{name}=\d+", f"{name}={first + offset}", os.environ[variable])
        os.environ[variable] = url


if "DATABASE_URL" not in os.environ:
    _own_servers()
elif XDIST_WORKER:
    _own_valkey_databases(XDIST_WORKER)
os.environ.setdefault("CHANGKE_MODE", "local")
os.environ["CHANGKE_TESTING"] = "1"
os.environ["WECOM_ARCHIVE"] = ""  # Tests of the archive say which one they mean.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in the tests' thread.
catalogues.compile_all()
