"""Sizes of 30 selective and 30 broad segments over made-up customers, against plain SQL and chDB.

Servers and database are the bench's own, in a folder that is deleted. Every count is compared with
the SQL that defines the rule. Rivals in the same run: the same definitions over a normalised
(tag, customer) table with the index everybody makes, and chDB over its own tables.
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

NAME = "segment"
HELP = "live sizes of segments: bitmaps against SQL, many-to-many and chDB"
_OWN_PLACES = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "CHANGKE_MODE")


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--customers", type=int, default=1_000_000, help="default 1000000")
    parser.add_argument("--here", action="store_true", help="use this database (it must be empty)")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Make the customers, the index, and count."""
    if options["here"]:
        from analytics.segments.benching import measure

        return measure(options["customers"])
    with tempfile.TemporaryDirectory(prefix="changke-bench-") as folder:
        _manage(folder, "migrate", "--verbosity", "0")
        arguments = ["bench", NAME, "--here", "--json", f"--customers={options['customers']}"]
        inner = f"from django.core.management import call_command; call_command(*{arguments!r})"
        return json.loads(_manage(folder, "shell", "-v0", "-c", inner))


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
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
