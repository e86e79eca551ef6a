"""A file of events into a dataset, and questions about it: time and memory.

Data: a million events of 100,000 units over 90 days with microseconds, two properties and numbers
of their own, made with a fixed seed. Servers, database and column files are the bench's own. The
rival is the standard library's CSV reader on the same file, which checks and writes nothing. A
question is a whole command, process start and reading of the compiled fold included.
"""

import csv
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandParser

from crm.imports.bench import cores, manage, read_bare

NAME = "dataset"
HELP = "events from a CSV file kept apart: time of the importer and of the first answers"
SEED = 20_261_126
_KINDS = ("view", "cart", "buy", "share", "login")
_START = datetime(2026, 1, 1, tzinfo=UTC)
_MICROS = 90 * 86_400 * 1_000_000
_QUESTION = ("funnel", "--dataset", "bench", "--steps", "view,cart,buy", "--window", "1d", "--json")


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="default 1000000")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Write the file, import it twice, ask three times."""
    rows = options["rows"]
    with tempfile.TemporaryDirectory(prefix="changke-bench-") as folder:
        path = Path(folder) / "events.csv"
        _write_events(path, rows)
        bare = read_bare(path)
        manage(folder, "migrate", "--verbosity", "0")
        manage(folder, "columns", "compile")
        bring_in = ("import", "events", str(path), "--dataset", "bench", "--json")
        first, again = (json.loads(manage(folder, *bring_in)) for _n in range(2))
        asked = [_timed(folder) for _n in range(3)]
    return {
        "scale": {"rows": rows, "units": first["units"], "cores": cores()},
        "measured": {
            "wall_s": first["seconds"],
            "peak_mb": first["peak_mb"],
            "rows_per_s": round(rows / first["seconds"]),
            "again_wall_s": again["seconds"],
            "again_changes_nothing": again["same"] == rows and not again["new"],
            "first_answer_s": asked[0],
            "later_answer_s": min(asked[1:]),
        },
        "rivals": {"csv_reader": {"wall_s": bare}},
        "ratios": {"ours_over_csv_reader": round(first["seconds"] / bare, 1)},
        "goals": {"wall_s": "< 60", "again_changes_nothing": True},
    }


def _timed(folder: str) -> float:
    begun = time.perf_counter()
    manage(folder, *_QUESTION)
    return round(time.perf_counter() - begun, 2)


def _write_events(path: Path, rows: int) -> None:
    dice = np.random.default_rng(SEED)
    micros = dice.integers(_MICROS, size=rows).tolist()
    units = dice.integers(max(1, rows // 10), size=rows).tolist()
    kinds = dice.integers(len(_KINDS), size=rows).tolist()
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["event_id", "unit", "event", "at", "platform", "amount"])
        for number in range(rows):
            at = _START + timedelta(microseconds=micros[number])
            kind = _KINDS[kinds[number]]
            amount = number % 5_000 if kind == "buy" else ""
            platform = ("web", "app", "")[number % 3]
            out.writerow(
                [f"e{number}", f"u{units[number]}", kind, at.isoformat(), platform, amount]
            )
