"""Sizes of 30 selective and 30 broad segments over made-up customers, against plain SQL and chDB.

Servers and database are the bench's own, in a folder that is deleted. Every count is compared with
the SQL that defines the rule. Rivals in the same run: the same definitions over a normalised
(tag, customer) table with the index everybody makes, and chDB over its own tables.
"""

from typing import Any

from django.core.management.base import CommandParser

from crm.shared.own_servers import bench_apart

NAME = "segment"
HELP = "live sizes of segments: bitmaps against SQL, many-to-many and chDB"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--customers", type=int, default=1_000_000, help="default 1000000")
    parser.add_argument("--here", action="store_true", help="use this database (it must be empty)")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Make the customers, the index, and count."""
    if options["here"]:
        from analytics.segments.benching import measure

        return measure(options["customers"])
    return bench_apart(NAME, [f"--customers={options['customers']}"])
