"""Paths in rows, made once: the page's tables and the file are the same rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from analytics.figures.numbers import Number, meaning
from analytics.paths.answer import PathAnswer
from analytics.paths.figures import STEP, definition_of, name_of, title_of
from analytics.paths.question import ENDED, OPEN, OTHER
from crm.shared.formatting import rate as rate_text

WAYS_SHOWN = 60


@dataclass(frozen=True)
class Row:
    """A way from one event to the next, or a whole path."""

    place: int
    events: list[str]
    number: Number
    share: Rate


@dataclass(frozen=True)
class Told:
    """What a page shows of an answer."""

    all: Number
    ways: list[Row]
    ways_left: int
    paths: list[Row]
    paths_left: int


def told(answer: PathAnswer, labels: Mapping[str, str], people: str) -> Told:
    """The tables of the page; `people` is the address of the figures."""
    ways = [
        _row(answer, labels, people, w.number + 1, [w.source, w.target], w.people, way_figure(w))
        for w in answer.ways
    ]
    paths = [
        _row(answer, labels, people, 0, list(p.events), p.people, {"path": STEP.join(p.events)})
        for p in answer.paths
    ]
    return Told(
        all=_number(answer, labels, people, answer.people, {}),
        ways=ways[:WAYS_SHOWN],
        ways_left=max(0, len(ways) - WAYS_SHOWN),
        paths=paths,
        paths_left=answer.different - len(paths),
    )


def way_figure(way: Any) -> dict[str, str]:
    """What names a way in an address."""
    at = {"at": str(way.number), "on": way.source} if way.number else {}
    return at | {"next": way.target}


def _row(
    answer: PathAnswer,
    labels: Mapping[str, str],
    people: str,
    place: int,
    events: list[str],
    count: int,
    figure: dict[str, str],
) -> Row:
    anchor = answer.question.event
    named = {str(anchor): name_of(anchor.event, labels)}
    names = [named.get(event) or name_of(event, labels) for event in events]
    share = answer.share(count)
    return Row(place, names, _number(answer, labels, people, count, figure, share), share)


def _number(
    answer: PathAnswer,
    labels: Mapping[str, str],
    people: str,
    value: int,
    figure: dict[str, str],
    share: Rate | None = None,
) -> Number:
    note = meaning(definition_of(answer.question), data_time=answer.data_time, share=share)
    href = f"{people}&{urlencode(figure)}" if figure else people
    return Number(value, href, title_of(answer.question, figure, labels), note)


def finding(answer: PathAnswer, labels: Mapping[str, str]) -> str:
    """The answer in a sentence."""
    first = [p for p in answer.places if p.number == 1 and p.event not in (ENDED, OPEN, OTHER)]
    if not answer.people:
        return _("没有客户发生过这个事件")
    if not first:
        return _("没有后续事件") if answer.question.direction == "after" else _("之前没有事件")
    words = (
        _("之后最多的是「%(event)s」，%(share)s")
        if answer.question.direction == "after"
        else _("之前最多的是「%(event)s」，%(share)s")
    )
    share = answer.share(first[0].people)
    return words % {"event": name_of(first[0].event, labels), "share": rate_text(share.value)}


def file_header() -> list[str]:
    """Columns of the file."""
    return [_("内容"), _("第几步"), _("从"), _("到"), _("人数"), _("占比"), _("数据时间")]


def file_rows(answer: PathAnswer, labels: Mapping[str, str]) -> Iterator[list[Any]]:
    """Every way, then the most frequent whole paths."""
    anchor = name_of(answer.question.event.event, labels)
    for way in answer.ways:
        source = anchor if way.number == 0 else name_of(way.source, labels)
        target = name_of(way.target, labels)
        place = way.number + 1
        yield [_("一步"), place, source, target, way.people, *_rest(answer, way.people)]
    for path in answer.paths:
        steps = " → ".join(name_of(event, labels) for event in path.events)
        length = len(path.events)
        yield [_("整条路径"), length, anchor, steps, path.people, *_rest(answer, path.people)]


def _rest(answer: PathAnswer, people: int) -> list[Any]:
    return [round(answer.share(people).value, 6), answer.data_time]
