"""Planning a mass send: who gets it from whom, who not and why, in batches ready to send.

Data: friends of 60 agents, a tenth of them with two agents and talks that decide, a twentieth who
opted out, a twentieth at their cap. Servers and database are the bench's own, in a folder that is
deleted. The rival asks the same questions customer by customer, as a loop over the ORM would, for
the first 2,000 of the same audience.
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

NAME = "plan"
HELP = "planning a mass send to many recipients: time and memory"
_OWN_PLACES = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "CHANGKE_MODE")


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--recipients", type=int, default=100_000, help="default 100000")
    parser.add_argument("--here", action="store_true", help="use this database (it must be empty)")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Make the audience, plan, compare."""
    if options["here"]:
        from crm.outreach.benching_plan import measure

        return measure(options["recipients"])
    arguments = ["bench", NAME, "--here", "--json", f"--recipients={options['recipients']}"]
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
