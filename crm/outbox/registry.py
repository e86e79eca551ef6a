"""Who carries out which kind of outward action; the rooms above register themselves here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils.functional import Promise

if TYPE_CHECKING:
    from crm.outbox.models import OutboxItem


@dataclass(frozen=True)
class Done:
    """WeCom answered: it is done. ``remote_id`` is the number that WeCom gave it."""

    remote_id: str = ""
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A precondition no longer holds at send time; in words for the operator."""

    code: str
    reason: str


class NotNeeded(Exception):
    """Raised by a call: WeCom's answer says that there is nothing (left) to do."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Found:
    """WeCom lists exactly one record that is ours."""

    remote_id: str
    result: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Absent:
    """WeCom does not list it. ``later_seen``: a later record of ours is listed already."""

    later_seen: bool = False
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NotYet:
    """The records say nothing yet: still being dispatched, or more than one could be ours."""

    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Repeatable:
    """Repeating is safe for a while: WeCom itself drops the double."""

    reason: str


@dataclass(frozen=True)
class Unknowable:
    """Nobody can find out, and it is not worth a person's time: leave it undone."""

    reason: str


Finding = Found | Absent | NotYet | Repeatable | Unknowable


@dataclass(frozen=True)
class Demand:
    """Room that an item needs under the quota ``code``, for each of ``subjects``.

    ``every`` True: without room for all of them the call waits. False: the call goes ahead as long
    as anyone has room (the platform hides it from the others by itself).
    """

    code: str
    subjects: tuple[str, ...]
    every: bool = True


def _nothing(*_args: Any) -> None:
    """The default of the optional steps."""


@dataclass(frozen=True)
class Handler:
    """One kind of outward action.

    ``prepare`` makes calls that may be repeated harmlessly (uploads), before the point of no
    return. ``check`` looks at every precondition again, in the transaction that commits
    ``calling``. ``changed`` runs in the transaction of every change of state. ``is_repeatable``
    says that doing it twice is the same as doing it once. ``first_look`` after an unclear answer
    is for kinds that cannot wait for the usual ten seconds. ``disturbs``: it reaches people of our
    own accord, so that quiet hours hold it; what answers a customer, or calls something off, does
    not.
    """

    kind: str
    label: str | Promise
    call: "Callable[[OutboxItem], Done]"
    reconcile: "Callable[[OutboxItem, datetime], Finding]"
    check: "Callable[[OutboxItem, datetime], Refusal | None]"
    prepare: "Callable[[OutboxItem, datetime], None]" = _nothing
    demands: "Callable[[OutboxItem], list[Demand]]" = lambda item: []
    changed: "Callable[[OutboxItem, datetime], None]" = _nothing
    is_repeatable: bool = False
    first_look: timedelta | None = None
    disturbs: bool = True


_handlers: dict[str, Handler] = {}
_scopes: dict[str, Callable[[Any], QuerySet]] = {}
_pages: dict[str, Callable[[int], str]] = {}


def register(handler: Handler) -> Handler:
    """Make a kind known to the dispatcher."""
    _handlers[handler.kind] = handler
    return handler


def register_scope(
    subject_type: str, rows: Callable[[Any], QuerySet], *, page: Callable[[int], str] | None = None
) -> None:
    """Say which subjects of a type a user may see; their items follow, and its page by id."""
    _scopes[subject_type] = rows
    if page is not None:
        _pages[subject_type] = page


def page_of(item: "OutboxItem") -> str:
    """The address of what an item is about; nothing where it has no page."""
    found = _pages.get(item.subject_type)
    return found(item.subject_id) if found else ""


def handler_of(kind: str) -> Handler | None:
    """The handler of a kind, or None where nobody registered one."""
    return _handlers.get(kind)


def kinds() -> list[Handler]:
    """All registered handlers, by kind."""
    return [_handlers[kind] for kind in sorted(_handlers)]


def scopes() -> dict[str, Callable[[Any], QuerySet]]:
    """Subject types with the rows that a user may see."""
    return _scopes
