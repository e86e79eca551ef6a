"""The `clickhouse` engine of transitions: folded slice by slice and added up.

Who has no events is in no slice: they are those records that the warehouse holds and whose facts it
does not, asked once.
"""

from collections.abc import Iterator

import numpy as np
from psycopg import sql

from analytics.clickhouse.slices import NOTHING, Need, Slice, slices
from analytics.clickhouse.source import ClickHouseSource
from analytics.events import facts
from analytics.events.source import NOBODY
from analytics.transitions import engine
from analytics.transitions.answer import TransitionAnswer
from analytics.transitions.question import TransitionQuestion


def answer(question: TransitionQuestion, source: ClickHouseSource) -> TransitionAnswer:
    """Count every pair of stages; see `analytics.transitions.engine`."""
    counts = sum(engine.counted(question, one) for one in _sources(source))
    return TransitionAnswer(question, counts, source.data_time)


def people(
    question: TransitionQuestion,
    source: ClickHouseSource,
    *,
    before: str | None = None,
    after: str | None = None,
) -> np.ndarray:
    """Sorted ids of who went from one stage to another; None means any stage."""
    found = [engine.people(question, one, before=before, after=after) for one in _sources(source)]
    return np.sort(np.concatenate(found))


def stage_of_each(
    question: TransitionQuestion, source: ClickHouseSource
) -> dict[int, tuple[str, str]]:
    """Both stages of everybody, by id."""
    found: dict[int, tuple[str, str]] = {}
    for one in _sources(source):
        found |= engine.stage_of_each(question, one)
    return found


class _Silent(Slice):
    """Customers without events, and nobody else."""

    def without_events(self) -> tuple[np.ndarray, np.ndarray]:
        """The records without facts, and since when PostgreSQL knows these customers."""
        if self.source.dataset:
            return NOBODY, NOBODY
        ids = self.source.house.column(
            f"select customer from units final where {self.source.where}"
            f" and customer not in (select customer from facts where {self.source.where})"
            " order by customer"
        )
        query = sql.SQL(
            "select id, coalesce(floor(extract(epoch from known_since))::bigint, 0) as since"
            " from crm_customer where id = any({}::bigint[]) order by id"
        ).format(sql.Literal([int(pk) for pk in ids]))
        found = facts.numbers(query, "id", "since")
        return found["id"], found["since"]


def _sources(source: ClickHouseSource) -> Iterator[Slice]:
    source.check_loaded()
    yield from slices(source, Need())
    yield _Silent(source, "1", NOTHING, 0, 0)
