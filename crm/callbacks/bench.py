"""Callbacks kept durably, against an empty view of the same server, in one run.

The server is the production one (granian, WSGI, 2 workers of 4 threads) with PostgreSQL as the
demo runs it (fsync on), in a folder that is deleted. Both addresses get the very same encrypted
messages, every fifth of them twice, over the same kept-alive connections, from a process of its own
that was given the bytes ready-made. The rival is a view that answers without looking at the
request, behind the same middleware. Rounds alternate, because machines change their mind.
"""

import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from crm.callbacks.load.server import Server
from crm.callbacks.load.traffic import CALLBACK, DOUBLED, EMPTY, Traffic, edits
from crm.callbacks.models import InboxEvent
from crm.shared.own_servers import bench_apart

NAME = "callback"
HELP = "durable callbacks per second against an empty view of the same server"
_NUMBERS = {"requests": 6_000, "rounds": 3, "connections": 32}


def add_arguments(parser: CommandParser) -> None:
    for name, default in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--here", action="store_true", help="on the servers in force, not its own")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Measure on servers of our own, made and thrown away."""
    if options["here"]:
        return _measure(**{name: options[name] for name in _NUMBERS})
    return bench_apart(NAME, [f"--{name}={options[name]}" for name in _NUMBERS])


def _measure(*, requests: int, rounds: int, connections: int) -> dict[str, Any]:
    durable, empty = [], []
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        for number in range(-1, rounds):  # The first one warms up and is forgotten.
            posted = requests if number >= 0 else requests // 6
            fresh = edits(posted - int(posted * DOUBLED), seed=number)
            traffic = Traffic(fresh, seed=number)
            for address, rows in ((EMPTY, empty), (CALLBACK, durable)):
                told = traffic.send(server.port, address, Path(folder), connections=connections)
                told["server_cpu_ms"] = 1000 * server.cpu_since() / traffic.requests
                if number >= 0:
                    rows.append(told)
            _check(traffic, durable[-1:])
    kept = {bytes(digest) for digest in InboxEvent.objects.values_list("digest", flat=True)}
    return {
        "scale": {"requests": requests, "rounds": rounds, "connections": connections}
        | {"doubled_share": DOUBLED, "cores": len(os.sched_getaffinity(0))},
        "measured": _figures(durable)
        | {
            "accepted": sum(row["accepted"] for row in durable),
            "lost": sum(row["lost"] for row in durable),
            "doubled": InboxEvent.objects.count() - len(kept),
        },
        "rivals": {"empty_view": _figures(empty)},
        "ratios": {
            "durable_over_empty": round(
                statistics.median(
                    one["per_s"] / other["per_s"] for one, other in zip(durable, empty, strict=True)
                ),
                3,
            )
        },
        "goals": {"durable_over_empty": ">= 0.3", "p99_ms": "< 500", "doubled": 0, "lost": 0},
    }


def _check(traffic: Traffic, durable: list[dict]) -> None:
    """Every message that was answered with 200 has its row."""
    for row in durable:
        kept = InboxEvent.objects.filter(message__in=traffic.messages).count()
        row["lost"] = len(traffic.messages) - kept if row["accepted"] == traffic.requests else -1


def _figures(rows: list[dict]) -> dict[str, Any]:
    names = ("per_s", "p50_ms", "p99_ms", "server_cpu_ms")
    return {name: round(statistics.median(row[name] for row in rows), 2) for name in names}
