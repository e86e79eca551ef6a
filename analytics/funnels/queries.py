"""What pages, files, the API and commands ask: answers within the viewer's scope."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from analytics.events.live import LiveSource
from analytics.events.regrouped import RegroupedSource, of_unit
from analytics.events.source import Source, engine_of
from analytics.funnels.answer import Answer
from analytics.funnels.models import SavedQuestion
from analytics.funnels.question import Question
from crm.agents.models import User
from crm.customers.models import Customer
from crm.customers.queries import CustomerRow, customer_rows
from crm.timeline.catalogue import STANDARD_JOURNEY
from crm.timeline.models import Fact, FactKind

PEOPLE_PER_PAGE = 50
RECENT_FACTS, SAID_BY_AT_LEAST, SUGGESTIONS = 2_000, 3, 40


def source_for(user: User | None) -> LiveSource:
    """Facts within the user's scope; without a user (a command, a task) all of them."""
    return LiveSource.for_user(user) if user else LiveSource()


def event_labels() -> dict[str, str]:
    """Names of all declared events in the reader's language."""
    return {kind.code: str(kind.label) for kind in FactKind.objects.all()}


def ask(question: Question, *, user: User | None, source: Source | None = None) -> Answer:
    """The answer within the user's scope."""
    source = of_unit(source or source_for(user), question.unit)
    engine, labels = engine_of(source, "funnels"), event_labels()
    found = engine.answer(question, source, labels)
    if not question.compare:
        return found
    before = engine.answer(question.previous(source.data_time), source, labels)
    return replace(found, previous=before)


def level_of_each(
    question: Question, *, user: User | None, source: Source | None = None
) -> dict[str, int]:
    """Level of every unit with events, by customer number or whatever else names it outside."""
    source = of_unit(source or source_for(user), question.unit)
    found = engine_of(source, "funnels").levels(question, source)
    keys = source.keys(found)
    return {keys[pk]: level for pk, level in found.items() if pk in keys}


@dataclass(frozen=True)
class Figure:
    """One number of an answer, named so that it can stand in a URL."""

    step: int
    state: str
    cell: tuple[tuple[str, str], ...] = ()


def people_behind(question: Question, figure: Figure, *, user: User | None) -> list[int]:
    """Ids of exactly the customers whom the figure counts for this user.

    Where it counts sessions or attempts, these are the customers who had them.
    """
    source = of_unit(source_for(user), question.unit)
    found = engine_of(source, "funnels").people(
        question,
        source,
        step=figure.step,
        state=figure.state,
        cell=dict(figure.cell) or None,
    )
    if isinstance(source, RegroupedSource):
        found = source.customers_of(found)
    return found.tolist()


@dataclass(frozen=True)
class PeoplePage:
    """One page of the people behind a figure, in order of their ids."""

    rows: list[CustomerRow]
    total: int
    after: int | None
    before: int | None


def people_page(
    question: Question, figure: Figure, *, user: User, params: Mapping[str, str]
) -> PeoplePage:
    """The page that follows `after`, or precedes `before`, or the first one."""
    ids = people_behind(question, figure, user=user)
    start = bisect_right(ids, _whole(params.get("after"), -1))
    if "before" in params and "after" not in params:
        start = max(0, bisect_left(ids, _whole(params["before"], 0)) - PEOPLE_PER_PAGE)
    shown = ids[start : start + PEOPLE_PER_PAGE]
    known = Customer.objects.for_user(user).select_related("channel").in_bulk(shown)
    return PeoplePage(
        rows=list(customer_rows(known[pk] for pk in shown if pk in known)),
        total=len(ids),
        after=shown[-1] if start + PEOPLE_PER_PAGE < len(ids) else None,
        before=shown[0] if start and shown else None,
    )


def saved_questions(user: User) -> list[SavedQuestion]:
    """Everybody's kept questions, with their owners."""
    return list(SavedQuestion.objects.for_user(user).select_related("owner"))


def said_of(event: str, *, user: User) -> list[str]:
    """Conditions on what recent events of a kind really say: names, then the usual values.

    A value must be said of several customers and be short: rarer and longer ones may be private.
    """
    if not _is_code(event):
        return []
    facts = Fact.objects.for_user(user).filter(kind__code=event).order_by("-at")
    recent = facts.values_list("customer_id", "properties", "amount_cents")[:RECENT_FACTS]
    people: dict[tuple[str, str], set[int]] = defaultdict(set)
    has_amount = False
    for customer, properties, amount in recent:
        has_amount |= amount is not None
        for name, value in properties.items():
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                people[name, str(value)].add(customer)
    usual = sorted(
        (
            pair
            for pair, who in people.items()
            if len(who) >= SAID_BY_AT_LEAST and _is_plain(pair[0]) and _is_plain(pair[1])
        ),
        key=lambda pair: (-len(people[pair]), pair),
    )
    return (["amount>="] if has_amount else []) + [f"{n}={v}" for n, v in usual[:SUGGESTIONS]]


def _is_code(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isascii() and text.isprintable()


def _is_plain(text: str) -> bool:
    """Short, and readable as part of a condition."""
    return 0 < len(text) <= 32 and text.isprintable() and not set(text) & set("<>=![],|")


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else otherwise


def default_values(today: Any) -> dict[str, Any]:
    """The standard journey over the last 90 whole days."""
    return {
        "steps": list(STANDARD_JOURNEY),
        "window": "30d",
        "order": "ordered",
        "entry": "any",
        "from": today - timedelta(days=90),
        "to": today - timedelta(days=1),
        "breakdown": "channel",
    }
