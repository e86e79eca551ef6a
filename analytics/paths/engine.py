"""Turns a path question into a walk over columns, and the walks into places, ways and paths."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar

import numpy as np
from django.utils.translation import gettext as _

from analytics.events.columns import Columns, sealed
from analytics.events.folding import block_bounds, in_threads
from analytics.events.source import Source
from analytics.funnels.question import QuestionRefused
from analytics.paths import kernel
from analytics.paths.answer import Path, PathAnswer, Place, Way
from analytics.paths.question import ENDED, OPEN, OTHER, PathQuestion

PATHS_SHOWN = 50
_END_OF_TIME = 1 << 40
_ENDS = {kernel.ENDED: ENDED, kernel.OPEN: OPEN}
Result = TypeVar("Result")


@dataclass(frozen=True)
class Prepared:
    """A question made ready for one source; `names` are the events by their numbers."""

    question: PathQuestion
    source: Source
    names: tuple[str, ...]
    settings: np.ndarray
    parts: list[tuple[np.ndarray, np.ndarray]]
    as_of: datetime

    def name(self, number: int) -> str:
        return _ENDS.get(number) or self.names[number]

    def number(self, name: str) -> int:
        """The number of an event or end; raises QuestionRefused."""
        ends = {end: number for number, end in _ENDS.items()}
        if name in ends:
            return ends[name]
        if name in self.names:
            return self.names.index(name)
        raise QuestionRefused(
            _("没有事件「%(event)s」。请从事件目录中选择，或先登记这种事件") % {"event": name[:64]},
            field="event",
        )


def answer(question: PathQuestion, source: Source) -> PathAnswer:
    """Count every way; what is not among the most frequent of its place is `other`."""
    prepared = prepare(question, source)
    return told(prepared, counted(prepared))


def told(prepared: Prepared, walked: Counter[tuple[int, ...]]) -> PathAnswer:
    """The answer that so many people on each path come to."""
    question, shown = prepared.question, shown_of(prepared, walked)
    places: Counter[tuple[int, str]] = Counter()
    ways: Counter[tuple[int, str, str]] = Counter()
    for numbers, people in walked.items():
        before = str(question.event)
        for place, number in enumerate(numbers, start=1):
            name = prepared.name(number) if number in shown[place - 1] else OTHER
            places[place, name] += people
            ways[place - 1, before, name] += people
            before = name
    paths = [
        Path(tuple(prepared.name(number) for number in numbers), people)
        for numbers, people in sorted(walked.items(), key=lambda item: (-item[1], item[0]))
    ]
    return PathAnswer(
        question=question,
        people=sum(walked.values()),
        places=tuple(Place(*key, n) for key, n in sorted(places.items(), key=_largest)),
        ways=tuple(Way(*key, n) for key, n in sorted(ways.items(), key=_largest)),
        paths=tuple(paths[:PATHS_SHOWN]),
        different=len(paths),
        data_time=prepared.source.data_time,
        as_of=prepared.as_of,
    )


def people(
    question: PathQuestion,
    source: Source,
    *,
    place: int = 0,
    event: str = "",
    following: str = "",
    path: tuple[str, ...] = (),
) -> np.ndarray:
    """Sorted ids of who stood at an event on a place, went on to another, or took a whole path.

    Without any of them: of everybody with the anchor. `other` is whatever is not shown there.
    """
    prepared = prepare(question, source)
    check_figure(question, place=place, path=path)
    shown = shown_of(prepared, counted(prepared)) if OTHER in (event, following) else []
    chosen = {"place": place, "event": event, "following": following, "path": path}
    return ids_of(prepared, shown, **chosen)


def check_figure(question: PathQuestion, *, place: int, path: tuple[str, ...]) -> None:
    """Raise QuestionRefused where the answer has no such number."""
    if not 0 <= place <= question.depth or len(path) > question.depth:
        raise QuestionRefused(_("路径没有第 %(n)s 步") % {"n": place}, field="place")


def ids_of(
    prepared: Prepared,
    shown: list[frozenset[int]],
    *,
    place: int,
    event: str,
    following: str,
    path: tuple[str, ...],
) -> np.ndarray:
    """The people of `people`; `shown` are the events that are shown on each place."""
    depth = prepared.question.depth
    wanted = [(at, name) for at, name in ((place, event), (place + 1, following)) if at and name]
    numbers = [prepared.number(name) for name in path]

    def chosen(found: np.ndarray) -> np.ndarray:
        keep = found[:, 0] != kernel.NOBODY
        for at, name in wanted:
            column = found[:, at - 1] if at <= depth else np.full(len(found), -9)
            keep &= _is(prepared, column, name, shown[at - 1] if at <= len(shown) else frozenset())
        for at, number in enumerate(numbers):
            keep &= found[:, at] == number
        return keep

    def harvest(part: int, low: int, found: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(chosen(found)) + low
        return prepared.source.parts[part].columns.ids_at(rows)

    ids = _walked(prepared, harvest)
    return np.sort(np.concatenate(ids)) if ids else np.empty(0, np.int64)


def _is(prepared: Prepared, column: np.ndarray, name: str, shown: frozenset[int]) -> np.ndarray:
    if name != OTHER:
        return column == prepared.number(name)
    return (column >= 0) & ~np.isin(column, list(shown))


def prepare(question: PathQuestion, source: Source) -> Prepared:
    """Resolve the names in a question; raises QuestionRefused where it cannot be asked."""
    kinds = source.all_kinds()
    for field, names in (("event", (question.event.event,)), ("ignore", question.ignore)):
        if missing := [name for name in names if name not in kinds]:
            raise QuestionRefused(
                _("没有事件「%(event)s」。请从事件目录中选择，或先登记这种事件")
                % {"event": missing[0][:64]},
                field=field,
            )
    if question.as_of and question.as_of.timestamp() < source.span[0]:
        raise QuestionRefused(
            _("截至时间早于第一个事件，没有可统计的数据；请改晚截至时间"), field="as_of"
        )
    as_of = question.as_of or source.data_time
    names = tuple(sorted(kinds))
    numbers = {kinds[name]: number for number, name in enumerate(names)}
    ignored = {kinds[name] for name in question.ignore}
    parts = []
    for place, part in enumerate(source.parts):
        columns = part.columns
        codes = [
            kernel.IGNORED if int(kind) in ignored else numbers.get(int(kind), kernel.IGNORED)
            for kind in columns.kind_ids
        ]
        is_anchor = _anchors(question, source, place, kinds[question.event.event], columns)
        parts.append((is_anchor, sealed(np.array(codes or [kernel.IGNORED], np.int32))))
    return Prepared(question, source, names, _settings(question, as_of), parts, as_of)


def _anchors(
    question: PathQuestion, source: Source, place: int, kind: int, columns: Columns
) -> np.ndarray:
    found = np.isin(columns.kinds, np.flatnonzero(columns.kind_ids == kind))
    if question.event.conditions:
        rows = np.flatnonzero(found)
        found[rows[~source.matching(kind, question.event.conditions, place)]] = False
    return sealed(found.view(np.uint8))


def _settings(question: PathQuestion, as_of: datetime) -> np.ndarray:
    since, until = question.cohort
    settings = np.zeros(kernel.SETTINGS, np.int64)
    settings[kernel.SINCE] = int(since.timestamp()) if since else 0
    settings[kernel.UNTIL] = int(until.timestamp()) if until else _END_OF_TIME
    settings[kernel.CUT] = _END_OF_TIME
    if question.as_of:
        settings[[kernel.CUT, kernel.CUT_MICRO]] = _second_and_micro(question.as_of)
    settings[[kernel.NOW, kernel.NOW_MICRO]] = _second_and_micro(as_of)
    settings[kernel.WINDOW] = question.window
    settings[kernel.BACKWARDS] = question.direction == "before"
    settings[kernel.REPEATS] = question.repeats
    return settings


def _second_and_micro(moment: datetime) -> tuple[int, int]:
    utc = moment.astimezone(UTC)
    return int(utc.replace(microsecond=0).timestamp()), utc.microsecond


def _walked(prepared: Prepared, harvest: Callable[[int, int, np.ndarray], Result]) -> list[Result]:
    """What `harvest` takes from each walked block; it runs on the thread that walked it."""
    parts = prepared.source.parts
    blocks = [
        (number, low, high)
        for number, part in enumerate(parts)
        for low, high in pairwise(block_bounds(part.columns.offsets))
    ]

    def work(block: tuple[int, int, int]) -> Result:
        number, low, high = block
        part, columns = parts[number], parts[number].columns
        is_anchor, places = prepared.parts[number]
        skip = sealed(np.empty(0, np.uint8) if part.skip is None else part.skip.view(np.uint8))
        found = np.empty((high - low, prepared.question.depth), np.int32)
        kernel.walk(
            low, high, columns.offsets, is_anchor, places, columns.kinds, columns.seconds,
            columns.micro_rows, columns.micros, skip, prepared.settings, found,
        )  # fmt: skip
        return harvest(number, low, found)

    return in_threads(work, blocks)


def counted(prepared: Prepared) -> Counter[tuple[int, ...]]:
    """Customers by path; a path stops at its end."""

    def harvest(_part: int, _low: int, found: np.ndarray) -> list[tuple[tuple[int, ...], int]]:
        here = found[found[:, 0] != kernel.NOBODY]
        paths, counts = np.unique(here, axis=0, return_counts=True)
        return list(zip(map(tuple, paths.tolist()), counts.tolist(), strict=True))

    walked: Counter[tuple[int, ...]] = Counter()
    for block in _walked(prepared, harvest):
        for path, count in block:
            walked[tuple(number for number in path if number != kernel.NOBODY)] += count
    return walked


def shown_of(prepared: Prepared, walked: Counter[tuple[int, ...]]) -> list[frozenset[int]]:
    """The most frequent events of each place; ends are always shown."""
    shown = []
    for place in range(prepared.question.depth):
        people: Counter[int] = Counter()
        for path, count in walked.items():
            if place < len(path) and path[place] >= 0:
                people[path[place]] += count
        most = sorted(people, key=lambda number: (-people[number], prepared.names[number]))
        shown.append(frozenset(most[: prepared.question.top]) | frozenset(_ENDS))
    return shown


def _largest(item: tuple[tuple, int]) -> tuple:
    """By place, then the largest first."""
    key, people = item
    return (key[0], -people, *key[1:])
