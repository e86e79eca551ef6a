"""A mass send through the sandbox on a bad day: every 7th call is applied, then nothing answers.

Servers, database and sandbox are the bench's own, in a folder that is deleted. The dispatcher is
the product's command `dispatch` in a process of its own. What arrived is counted from the
sandbox's ledger, person by person, never from our own states. The rival in the same run sends the
same calls on the same bad day as tools do that know no outbox: it calls, and calls again where no
answer came.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from crm.shared.own_servers import bench_in, running

NAME = "delivery"
HELP = "a mass send where every 7th call is applied and never answered: nothing twice, nothing lost"
_NUMBERS = {"recipients": 100_000, "batch": 100, "every": 7}
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
        with running(_sandbox(store), speaks=True) as sandbox:
            own = _CORP | {"WECOM_BASE_URL": _address(sandbox)}
            arguments = [f"--here={store}", *(f"--{n}={value}" for n, value in numbers.items())]
            return bench_in(folder, NAME, arguments, env=own)


def _sandbox(store: Path) -> list[str]:
    """The command of a WeCom with staff and nothing else."""
    return [
        *(str(Path(settings.BASE_DIR) / "crm" / "wecom" / "sandbox"), "--port", "0"),
        *("--store", str(store), "--empty", "--no-life"),
        *("--corp-id", _CORP["WECOM_CORP_ID"], "--secret", _CORP["WECOM_SECRET"]),
        *("--agent-id", _CORP["WECOM_AGENT_ID"], "--token", _CORP["WECOM_CALLBACK_TOKEN"]),
        *("--aes-key", _CORP["WECOM_CALLBACK_AES_KEY"]),
    ]


def _address(sandbox: subprocess.Popen) -> str:
    announced = sandbox.stdout.readline()
    if not announced.startswith("Sandbox: "):
        raise RuntimeError("the sandbox did not start")
    return announced.split()[1].rstrip("/")
