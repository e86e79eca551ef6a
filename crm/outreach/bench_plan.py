"""Planning a mass send: who gets it from whom, who not and why, in batches ready to send.

Data: friends of 60 agents, a tenth of them with two agents and talks that decide, a twentieth who
opted out, a twentieth at their cap, three rules of the gate. Servers and database are the bench's
own, in a folder that is deleted. The rival asks the same questions customer by customer, as a loop
over the ORM would, for the first 2,000 of the same audience.
"""

from typing import Any

from django.core.management.base import CommandParser

from crm.shared.own_servers import bench_apart

NAME = "plan"
HELP = "planning a mass send to many recipients: time and memory"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--recipients", type=int, default=100_000, help="default 100000")
    parser.add_argument("--here", action="store_true", help="use this database (it must be empty)")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Make the audience, plan, compare."""
    if options["here"]:
        from crm.outreach.benching_plan import measure

        return measure(options["recipients"])
    return bench_apart(NAME, [f"--recipients={options['recipients']}"])
