"""A file of orders through the importer: time, memory, and that a second time changes nothing.

Data: a million orders of 300,000 customers that nobody knows, over 290 days, in every state, made
with a fixed seed. Servers and database are the bench's own, in a folder that is deleted. The rival
is the standard library's CSV reader on the same file, which checks and writes nothing.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import CommandParser

NAME = "import"
HELP = "orders from a CSV file: time and memory of the importer"
SEED = 20_261_122
_STATES = ("paid", "paid", "completed", "refunded", "cancelled", "pending")
_START = datetime.fromisoformat("2026-01-01")
_SECONDS = 25_000_000
_OWN_PLACES = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "CHANGKE_MODE")


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="default 1000000")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Write the file, import it twice, compare."""
    rows = options["rows"]
    with tempfile.TemporaryDirectory(prefix="changke-bench-") as folder:
        path = Path(folder) / "orders.csv"
        _write_orders(path, rows)
        bare = read_bare(path)
        manage(folder, "migrate", "--verbosity", "0")
        first = json.loads(manage(folder, "import", "orders", str(path), "--json"))
        again = json.loads(manage(folder, "import", "orders", str(path), "--json"))
    return {
        "scale": {"rows": rows, "customers": first["people"], "cores": cores()},
        "measured": {
            "wall_s": first["seconds"],
            "peak_mb": first["peak_mb"],
            "rows_per_s": round(rows / first["seconds"]),
            "new": first["new"],
            "facts": first["facts"],
            "again_wall_s": again["seconds"],
            "again_changes_nothing": again["same"] == rows and not again["facts"],
        },
        "rivals": {"csv_reader": {"wall_s": bare}},
        "ratios": {"ours_over_csv_reader": round(first["seconds"] / bare, 1)},
        "goals": {"wall_s": "< 300", "peak_mb": "< 500", "again_changes_nothing": True},
    }


def _write_orders(path: Path, rows: int) -> None:
    dice = np.random.default_rng(SEED)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            ["order_id", "customer_id", "status", "paid_at", "amount", "product", "start_on"]
        )
        seconds = dice.integers(_SECONDS, size=rows).tolist()
        people = dice.integers(max(1, rows * 3 // 10), size=rows).tolist()
        cents = dice.integers(10_000, 2_000_000, size=rows).tolist()
        states = dice.integers(len(_STATES), size=rows).tolist()
        for number in range(rows):
            paid_at = _START + timedelta(seconds=seconds[number])
            out.writerow(
                [
                    f"O{number:08d}",
                    f"C{people[number]:07d}",
                    _STATES[states[number]],
                    paid_at.isoformat(sep=" "),
                    f"{cents[number] / 100:.2f}",
                    "三亚 5 日",
                    (paid_at + timedelta(days=10)).date(),
                ]
            )


def read_bare(path: Path) -> float:
    begun = time.perf_counter()
    with path.open(encoding="utf-8", newline="") as file:
        for _row in csv.reader(file):
            continue
    return round(time.perf_counter() - begun, 2)


def manage(folder: str, *arguments: str) -> str:
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


def cores() -> int:
    return len(os.sched_getaffinity(0))
