"""Asking from a page: at once where that is quick, else with a progress bar that can be stopped.

A page first gives its question a few seconds. Where these do not suffice it is shown with a ticket;
the page then asks again, names the ticket, and has the whole budget, while it shows how far the
work is. What a ticket says of itself lies in the cache, where every process sees it. Of one
person's questions the newest runs; it stops the one before.
"""

import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from analytics.events.budget import Budget, OverBudget, QuestionCancelled, spend
from analytics.funnels.question import QuestionRefused
from crm.agents.models import User
from crm.shared.errors import DomainError

HEADER = "X-Question"
WAIT = "wait"  # Without JavaScript a person may choose to wait for the page.
EVERY_SECONDS = 0.3
FORGOTTEN_AFTER = 15 * 60
_TICKET = re.compile(r"[0-9a-f]{24}")


class QuestionForm(Protocol):
    """A form that makes a question, and says why there is none."""

    def question(self) -> Any:
        """The question, or None with the errors on the form."""

    def refuse(self, refusal: QuestionRefused) -> None:
        """Put a refusal beside the field it names."""

    def add_error(self, field: str | None, error: Any) -> None:
        """Put words on the form."""


@dataclass(frozen=True)
class Asked:
    """What became of a question: an answer, a ticket to wait with, or errors on the form."""

    answer: Any = None
    ticket: str = ""
    is_ticketed: bool = False

    @property
    def status(self) -> int:
        """A page that waited is put in its place whatever came out."""
        return 200 if self.answer or self.ticket or self.is_ticketed else 422


@dataclass
class Ticket:
    """Progress of one running question, and whether it is still wanted."""

    user: User
    number: str
    _told: float = 0.0
    _looked: float = 0.0
    _is_stopped: bool = False
    _keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys = {n: f"question:{self.user.pk}:{self.number}:{n}" for n in ("at", "stop")}
        self._newest = f"question:{self.user.pk}"

    def begin(self) -> None:
        """From now on this is the person's question; an earlier one gives up."""
        with suppress(RedisError):
            cache.set(self._newest, self.number, FORGOTTEN_AFTER)

    def stop(self) -> None:
        """Nobody wants the answer any more."""
        with suppress(RedisError):
            cache.set(self._keys["stop"], True, FORGOTTEN_AFTER)

    def is_stopped(self) -> bool:
        """Whether to give up; looks a few times a second, however often it is asked."""
        now = time.monotonic()
        if self._is_stopped or now - self._looked < EVERY_SECONDS:
            return self._is_stopped
        self._looked = now
        with suppress(RedisError):
            newest = cache.get(self._newest, self.number)
            self._is_stopped = newest != self.number or bool(cache.get(self._keys["stop"]))
        return self._is_stopped

    def report(self, done: int, total: int) -> None:
        """Tell how far the work is."""
        now = time.monotonic()
        if now - self._told >= EVERY_SECONDS:
            self._told = now
            with suppress(RedisError):
                cache.set(self._keys["at"], (done, total), FORGOTTEN_AFTER)

    def progress(self) -> tuple[int, int]:
        """Blocks done and in all; zeros where nothing is known yet."""
        with suppress(RedisError):
            return cache.get(self._keys["at"]) or (0, 0)
        return 0, 0


def ticket_of(user: User, number: str) -> Ticket | None:
    """The ticket of this number, or None where no ticket has such a number."""
    return Ticket(user, number) if _TICKET.fullmatch(number) else None


def asked_by_page(form: QuestionForm, request: HttpRequest, ask: Callable[[Any], Any]) -> Asked:
    """Answer the form's question within the few seconds of a page, or within its ticket's budget.

    ``ask`` gets the question. Refusals end on the form.
    """
    ticket = ticket_of(request.user, request.headers.get(HEADER, ""))
    if ticket:
        ticket.begin()
        budget = Budget(settings.QUESTION_SECONDS, ticket.report, ticket.is_stopped)
        return Asked(_answered(form, ask, budget), is_ticketed=True)
    if WAIT in request.GET:
        return Asked(asked_patiently(form, ask))
    try:
        return Asked(_answered(form, ask, Budget(settings.QUESTION_QUICK_SECONDS), quick=True))
    except OverBudget:
        return Asked(ticket=secrets.token_hex(12))


def asked_patiently(form: QuestionForm, ask: Callable[[Any], Any]) -> Any:
    """The answer within the whole budget: files wait for it. None with the reason on the form."""
    return _answered(form, ask, Budget(settings.QUESTION_SECONDS))


def _answered(
    form: QuestionForm, ask: Callable[[Any], Any], budget: Budget, *, quick: bool = False
) -> Any:
    question = form.question()
    if question is None:
        return None
    try:
        with spend(budget):
            return ask(question)
    except QuestionRefused as refusal:
        form.refuse(refusal)
    except (OverBudget, QuestionCancelled) as refusal:
        if quick:
            raise
        form.add_error(None, str(refusal))
    except DomainError as refusal:
        form.add_error(None, str(refusal))
    return None
