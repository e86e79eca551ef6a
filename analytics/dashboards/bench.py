"""Every page of the product over made-up customers, opened by many users at once.

The server is the production one (granian, 2 workers of 4 threads) with PostgreSQL as the demo runs
it, in a folder that is deleted. Pages are found by following links from the front page, as an
operator, a manager of everything and a lead of one team; users open them in turn and think a second
in between. The floor in the same run is the address that only says whether the process lives.
"""

from typing import Any

from django.core.management.base import CommandParser

from crm.shared.own_servers import bench_apart

NAME = "pages"
HELP = "p50, p95 and queries of every page with many customers and users"
_NUMBERS = {"customers": 100_000, "users": 20, "seconds": 60}


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
    return bench_apart(NAME, [f"--{name}={value}" for name, value in numbers.items()])
