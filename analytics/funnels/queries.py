"""What pages, files, the API and commands ask: answers within the viewer's scope."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from analytics.events.kept import Keeper, Kept, kept_answer
from analytics.events.live import LiveSource
from analytics.events.regrouped import RegroupedSource, of_unit
from analytics.events.source import Source, elsewhere, engine_of
from analytics.figures.lasting import lasting
from analytics.funnels.answer import Answer
from analytics.funnels.models import SavedQuestion
from analytics.funnels.question import Question
from crm.agents.models import User
from crm.timeline.catalogue import STANDARD_JOURNEY
from crm.timeline.models import Fact, FactKind

RECENT_FACTS, SAID_BY_AT_LEAST, SUGGESTIONS = 2_000, 3, 40


def source_for(user: User | None) -> Source:
    """Facts within the user's scope; without a user (a command, a task) all of them.

    They are asked where ``QUESTION_ENGINE`` says.
    """
    live = LiveSource.for_user(user) if user else LiveSource()
    return elsewhere(live) if settings.QUESTION_ENGINE == "clickhouse" else live


def event_labels() -> dict[str, str]:
    """Names of all declared events in the reader's language."""
    return {kind.code: str(kind.label) for kind in FactKind.objects.all()}


def ask(
    question: Question, *, user: User | None, source: Source | None = None, keep: bool = False
) -> Answer:
    """The answer within the user's scope.

    With ``keep`` the people behind it are kept for a while under the answer's token, which is the
    viewer's own; so is then the answer that lasts.
    """
    if source or not user:
        return _ask(question, user=user, source=source, keep=keep)
    name = f"funnel:{user.pk}" if keep else "funnel"
    return lasting(
        name,
        question.as_json(),
        user=user,
        ask=lambda: _ask(question, user=user, source=None, keep=keep),
    )


def _ask(question: Question, *, user: User | None, source: Source | None, keep: bool) -> Answer:
    source = of_unit(source or source_for(user), question.unit)
    engine, labels = engine_of(source, "funnels"), event_labels()
    if keep and user and isinstance(source, LiveSource) and engine.can_keep(question):
        keeper = Keeper(viewer=user.pk, scope=source.scope)
        found = engine.answer(question, source, labels, keeper)
    else:
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


@dataclass(frozen=True)
class People:
    """Ascending ids of the customers behind a figure, and how fresh they are."""

    ids: Sequence[int]
    data_time: datetime


def people_behind(
    question: Question, figure: Figure, *, user: User | None, token: str = ""
) -> People:
    """Exactly the customers whom the figure counts for this user.

    Where it counts sessions or attempts, these are the customers who had them. ``token`` names an
    answer of this user whose people are still kept: then it is the list of that answer.
    """
    whole = source_for(user)
    engine, cell = engine_of(whole, "funnels"), dict(figure.cell) or None
    if user and isinstance(whole, LiveSource) and (kept := _kept(token, question, whole, user)):
        ids = engine.people_kept(kept, question, step=figure.step, state=figure.state, cell=cell)
        return People(ids, kept.data_time)
    source = of_unit(whole, question.unit)
    found = engine.people(
        question,
        source,
        step=figure.step,
        state=figure.state,
        cell=cell,
    )
    if isinstance(source, RegroupedSource):
        found = source.customers_of(found)
    return People(found.tolist(), whole.data_time)


def _kept(token: str, question: Question, source: LiveSource, user: User) -> Kept | None:
    if not token:
        return None
    asked = question.as_json()
    return kept_answer(token, viewer=user.pk, scope=source.scope, question=asked)


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
