"""Opening one number of a funnel: the first page of 50 people in scope, and how many there are.

Two viewers: one sees the whole company, one a team with a tenth of its customers. The funnel is
asked once by each, as its page does, and keeps for half an hour what it found; then numbers are
opened at random: a cell of channel and week or the whole, a step, a state; a quarter of the time
the second page, too. Each opening reads the kept answer anew from disk, as any process would, and
is held against the number that the page showed. Rivals: folding again, which is what an opening
costs where nothing is kept, and the same list from ClickHouse's own engine.
"""

import json
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import CommandParser

from analytics.events.benching import in_a_process, peak_mb, timed
from analytics.events.columns import Part
from analytics.funnels.benchdata import (
    EVENTS_PER_CUSTOMER,
    SEED,
    START,
    STEPS,
    WEEK,
    WINDOW,
    build,
    loaded,
)

NAME = "drill"
HELP = "the first 50 people behind a number of a funnel, against folding again and chDB"
PAGE, TEAM = 50, 10
SLOW_RUNS = 5

_CHDB_LIST = """
select groupArraySorted({page})(customer), count() from (
    select customer, any(channel) as ch, minIf(ts, event = 1) as t1,
           windowFunnel({window})(ts, event = 1, event = 2, event = 3, event = 4, event = 5,
                                  event = 6) as lvl
    from ev where event <= 6 and customer % {team} = 3 group by customer
    having lvl >= {step} and ch = {channel}
       and intDiv(toUnixTimestamp(t1) - {start}, 604800) = {week})
"""


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--events", type=int, default=10_000_000, help="default 10000000")
    parser.add_argument("--clicks", type=int, default=400, help="numbers opened, default 400")
    parser.add_argument("--without-rival", action="store_true", help="leave out chDB")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Make the data, open numbers, compare."""
    customers = max(1, round(options["events"] / EVENTS_PER_CUSTOMER))
    with tempfile.TemporaryDirectory(prefix="changke-bench-") as folder:
        path = Path(folder)
        built = in_a_process(build, path, customers, not options["without_rival"])
        ours = in_a_process(_open_ours, path, options["clicks"])
        rival = {} if options["without_rival"] else in_a_process(_open_chdb, path, ours["asked"])
    measured = {name: ours[name] for name in _FIGURES}
    rivals = {"fold_again": {"p50_ms": ours["fold_again_ms"]}}
    ratios = {"fold_again_over_ours": round(ours["fold_again_ms"] / ours["p50_ms"], 1)}
    if rival:
        measured["equal_to_rival"] = rival["lists"] == ours["lists"]
        rivals["chdb"] = {"p50_ms": rival["p50_ms"], "version": rival["version"]}
        ratios["chdb_over_ours"] = round(rival["p50_ms"] / ours["p50_ms"], 1)
    return {
        "scale": {
            "events": built["events"],
            "customers": customers,
            "viewers": ["company", f"team: 1 customer in {TEAM}"],
            "clicks": options["clicks"],
            "page": PAGE,
        },
        "measured": measured,
        "rivals": rivals,
        "ratios": ratios,
        "goals": {"equal": True, "equal_to_rival": True, "p95_ms": "< 100"},
    }


_FIGURES = (
    "p95_ms", "p50_ms", "team_p95_ms", "worst_ms", "equal", "page_s", "page_without_keeping_s",
    "kept_mb", "peak_mb",
)  # fmt: skip


@dataclass(frozen=True)
class Click:
    """A number that a page showed, and how much it was."""

    step: int
    state: str
    cell: dict[str, str] | None
    value: int


def _open_ours(path: Path, clicks: int) -> dict[str, Any]:
    from analytics.events.kept import Keeper, kept_answer
    from analytics.events.snapshots import current
    from analytics.events.source import TableSource
    from analytics.events.warmup import warm_up
    from analytics.funnels.engine import answer, people, people_kept
    from analytics.funnels.question import Question, Step

    warm_up()
    settings.COLUMNS_DIR = path / "columns"
    snapshot = current(path / "columns")
    question = Question(tuple(Step(name) for name in STEPS), WINDOW, breakdown=("channel", "week"))
    kinds = {name: number for number, name in enumerate(STEPS, start=1)}
    company = TableSource(snapshot.buckets, kinds, snapshot.span)
    team = _team_of(company)
    answer(question, company)
    bare = min(timed(lambda: answer(question, company))[0] for _ in range(3))
    equal, took, page_s, shown = True, {}, {}, {}
    for name, source in (("company", company), ("team", team)):
        viewer = {"viewer": 1, "scope": name}
        page_s[name], _cpu, shown[name] = timed(
            lambda source=source, viewer=viewer: answer(question, source, keeper=Keeper(**viewer))
        )
        dice = np.random.default_rng(SEED)
        took[name], same = _opened(
            question, shown[name], viewer, _clicks(shown[name], dice, clicks)
        )
        equal &= same
    kept_bytes = sum(file.stat().st_size for file in (path / "columns/answers").rglob("*.npy"))
    again, lists, asked = [], [], []
    for click in _in_cells(shown["team"], np.random.default_rng(SEED + 1), SLOW_RUNS):
        figure = {"step": click.step, "state": click.state, "cell": click.cell}
        seconds, _cpu, found = timed(lambda figure=figure: people(question, team, **figure))
        again.append(1000 * seconds)
        kept = kept_answer(shown["team"].token, question=question.as_json(), viewer=1, scope="team")
        ids = people_kept(kept, question, **figure)
        equal &= found.tolist() == list(ids)
        lists.append([[int(pk) for pk in ids[:PAGE]], len(ids)])
        asked.append([click.step, int(click.cell["channel"]), _week(click.cell["week"])])
    return {
        "p95_ms": max(_quantile(times, 0.95) for times in took.values()),
        "p50_ms": max(_quantile(times, 0.5) for times in took.values()),
        "team_p95_ms": _quantile(took["team"], 0.95),
        "worst_ms": max(_quantile(times, 1) for times in took.values()),
        "equal": equal,
        "page_s": round(page_s["company"], 3),
        "page_without_keeping_s": round(bare, 3),
        "kept_mb": round(kept_bytes / 1e6, 1),
        "peak_mb": peak_mb(),
        "fold_again_ms": round(sorted(again)[len(again) // 2], 1),
        "lists": lists,
        "asked": asked,
    }


def _opened(
    question: Any, shown: Any, viewer: dict[str, Any], clicks: list[Click]
) -> tuple[list[float], bool]:
    """Milliseconds of each opening, and whether every list was as long as its number."""
    from analytics.events.kept import kept_answer
    from analytics.figures.people import page_of_ids
    from analytics.funnels.engine import people_kept

    taken, equal = [], True
    for number, click in enumerate(clicks):
        begun = time.perf_counter()
        kept = kept_answer(shown.token, question=question.as_json(), **viewer)
        ids = people_kept(kept, question, step=click.step, state=click.state, cell=click.cell)
        first, after, _before = page_of_ids(ids, {}, PAGE)
        if after is not None and number % 4 == 0:
            page_of_ids(ids, {"after": str(after)}, PAGE)
        taken.append(1000 * (time.perf_counter() - begun))
        equal &= len(ids) == click.value and len(first) == min(PAGE, click.value)
    return taken, equal


def _quantile(times: list[float], share: float) -> float:
    return round(sorted(times)[max(0, int(len(times) * share) - 1)], 2)


def _clicks(shown: Any, dice: np.random.Generator, number: int) -> list[Click]:
    """Numbers of the page, drawn at random: of the whole, or of a cell."""
    states = ("reached", "converted", "dropped", "open")
    found = []
    for _ in range(number):
        cell = None if dice.random() < 0.3 else shown.cells[dice.integers(len(shown.cells))]
        step = (cell or shown).steps[dice.integers(len(STEPS))]
        state = states[dice.integers(len(states))]
        found.append(Click(step.number, state, _keys(cell), getattr(step, state)))
    return found


def _in_cells(shown: Any, dice: np.random.Generator, number: int) -> list[Click]:
    """Who reached a step, in cells drawn at random."""
    cells = [shown.cells[place] for place in dice.integers(len(shown.cells), size=number)]
    steps = [cell.steps[dice.integers(len(STEPS))] for cell in cells]
    return [
        Click(step.number, "reached", _keys(cell), step.reached)
        for cell, step in zip(cells, steps, strict=True)
    ]


def _keys(cell: Any) -> dict[str, str] | None:
    names = ("channel", "week")
    return cell and {name: v.key for name, v in zip(names, cell.values, strict=True)}


def _team_of(company: Any) -> Any:
    """The same events as somebody sees them whose team has one customer in ten."""

    class Team(type(company)):
        @property
        def parts(self) -> list[Part]:
            return [
                Part(one, one.ids_at(np.arange(one.customers)) % TEAM != 3) for one in self.columns
            ]

    return Team(company.columns, company.kinds, company.span)


def _week(monday: str) -> int:
    return int((datetime.fromisoformat(monday + "T00:00+08:00").timestamp() - START) // WEEK)


def _open_chdb(path: Path, asked: list[list[int]]) -> dict[str, Any]:
    import chdb

    database = loaded(path)
    taken, lists = [], []
    for step, channel, week in asked:
        query = _CHDB_LIST.format(
            page=PAGE, window=WINDOW, team=TEAM, start=START, step=step, channel=channel, week=week
        )
        seconds, _cpu, found = timed(lambda query=query: database.query(query, "JSONCompact"))
        taken.append(1000 * seconds)
        [[ids, count]] = json.loads(found.bytes())["data"]
        lists.append([[int(pk) for pk in ids], int(count)])
    return {
        "p50_ms": round(sorted(taken)[len(taken) // 2], 1),
        "lists": lists,
        "version": chdb.__version__,
    }
