"""A mass send through the sandbox on a bad day: every 7th call is applied, then nothing answers.

Servers, database and sandbox are the bench's own, in a folder that is deleted. The dispatcher is
the product's command `dispatch` in a process of its own. What arrived is counted from the
sandbox's ledger, person by person, never from our own states. The rival in the same run sends the
same calls on the same bad day as tools do that know no outbox: it calls, and calls again where no
answer came.
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

NAME = "delivery"
HELP = "a mass send where every 7th call is applied and never answered: nothing twice, nothing lost"
_NUMBERS = {"recipients": 100_000, "batch": 100, "every": 7}
_OWN_PLACES = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "CHANGKE_MODE")
_CORP = {
    "WECOM_CORP_ID": "wwbench",
    "WECOM_SECRET": "bench-secret",
    "WECOM_AGENT_ID": "1000002",
    "WECOM_CALLBACK_TOKEN": "benchtoken",
    "WECOM_CALLBACK_AES_KEY": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
}


def add_arguments(parser: CommandParser) -> None:
    for name, default in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument(
        "--here", metavar="STORE", help="the sandbox in force keeps its world there"
    )


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Start everything, send, count."""
    numbers = {name: options[name] for name in _NUMBERS}
    if options["here"]:
        from crm.outreach.benching import measure

        return measure(Path(options["here"]), **numbers)
    with tempfile.TemporaryDirectory(prefix="changke-bench-") as folder:
        store = Path(folder) / "sandbox"
        sandbox, url = _sandbox(store)
        try:
            own = _CORP | {"WECOM_BASE_URL": url}
            _manage(folder, own, "migrate", "--verbosity", "0")
            arguments = ["bench", NAME, "--json", f"--here={store}"]
            arguments += [f"--{name}={value}" for name, value in numbers.items()]
            inner = f"from django.core.management import call_command; call_command(*{arguments!r})"
            return json.loads(_manage(folder, own, "shell", "-v0", "-c", inner).splitlines()[-1])
        finally:
            sandbox.terminate()
            sandbox.wait(timeout=20)


def _sandbox(store: Path) -> tuple[subprocess.Popen, str]:
    """A WeCom with staff and nothing else, and its address."""
    command = [sys.executable, str(Path(settings.BASE_DIR) / "crm" / "wecom" / "sandbox")]
    command += ["--port", "0", "--store", str(store), "--empty", "--no-life"]
    command += ["--corp-id", _CORP["WECOM_CORP_ID"], "--secret", _CORP["WECOM_SECRET"]]
    command += ["--agent-id", _CORP["WECOM_AGENT_ID"], "--token", _CORP["WECOM_CALLBACK_TOKEN"]]
    command += ["--aes-key", _CORP["WECOM_CALLBACK_AES_KEY"]]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    announced = process.stdout.readline()
    if not announced.startswith("Sandbox: "):
        raise RuntimeError("the sandbox did not start")
    return process, announced.split()[1].rstrip("/")


def _manage(folder: str, own: dict[str, str], *arguments: str) -> str:
    """A management command of its own, on servers of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in _OWN_PLACES}
    done = subprocess.run(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *arguments],
        env=kept | own | {"CHANGKE_STATE": str(Path(folder) / "state")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()
