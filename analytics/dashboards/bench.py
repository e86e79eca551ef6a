"""Every page of the product over made-up customers, opened by many users at once.

The server is the production one (granian, 2 workers of 4 threads) with PostgreSQL as the demo runs
it, in a folder that is deleted. Pages are found by following links from the front page, as an
operator, a manager of everything and a lead of one team; users open them in turn and think a second
in between. The floor in the same run is the address that only says whether the process lives.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

NAME = "pages"
HELP = "p50, p95 and queries of every page with many customers and users"
_NUMBERS = {"customers": 100_000, "users": 20, "seconds": 60}
_OWN_PLACES = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "CHANGKE_MODE")


def add_arguments(parser: CommandParser) -> None:
    for name, default in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--here", action="store_true", help="use this database (it must be empty)")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Make the customers, start the server, let the users in."""
    numbers = {name: options[name] for name in _NUMBERS}
    if options["here"]:
        from analytics.dashboards.benching import measure

        return measure(**numbers)
    arguments = ["bench", NAME, "--here", "--json"]
    arguments += [f"--{name}={value}" for name, value in numbers.items()]
    inner = f"from django.core.management import call_command; call_command(*{arguments!r})"
    with tempfile.TemporaryDirectory(prefix="changke-bench-") as folder:
        _manage(folder, "migrate", "--verbosity", "0")
        return json.loads(_manage(folder, "shell", "-v0", "-c", inner).splitlines()[-1])


def _manage(folder: str, *arguments: str) -> str:
    """A management command of its own, on servers of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in _OWN_PLACES}
    done = subprocess.run(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *arguments],
        env=kept | {"CHANGKE_STATE": str(Path(folder) / "state")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()
