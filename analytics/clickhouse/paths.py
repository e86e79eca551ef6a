"""The `clickhouse` engine of paths: walked slice by slice, added up, then told as ever."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from analytics.clickhouse.slices import Need, slices
from analytics.clickhouse.source import ClickHouseSource
from analytics.paths import engine
from analytics.paths.answer import PathAnswer
from analytics.paths.question import OTHER, PathQuestion


def answer(question: PathQuestion, source: ClickHouseSource) -> PathAnswer:
    """Count every way; see `analytics.paths.engine`."""
    prepared, walked = _counted(question, source)
    return engine.told(prepared, walked)


def people(
    question: PathQuestion,
    source: ClickHouseSource,
    *,
    place: int = 0,
    event: str = "",
    following: str = "",
    path: tuple[str, ...] = (),
) -> np.ndarray:
    """Sorted ids of the customers behind one figure; see `analytics.paths.engine.people`."""
    engine.check_figure(question, place=place, path=path)
    shown: list[frozenset[int]] = []
    if OTHER in (event, following):
        shown = engine.shown_of(*_counted(question, source))
    chosen = {"place": place, "event": event, "following": following, "path": path}
    found = [engine.ids_of(one, shown, **chosen) for one in _prepared(question, source)]
    return np.sort(np.concatenate(found))


def _counted(
    question: PathQuestion, source: ClickHouseSource
) -> tuple[engine.Prepared, Counter[tuple[int, ...]]]:
    """The question made ready, for any slice, and the customers of all by path."""
    walked: Counter[tuple[int, ...]] = Counter()
    for prepared in _prepared(question, source):
        walked.update(engine.counted(prepared))
    return prepared, walked


def _prepared(question: PathQuestion, source: ClickHouseSource) -> Iterator[engine.Prepared]:
    source.check_loaded()
    for one in slices(source, Need()):
        yield engine.prepare(question, one)
