"""Which numbers can be opened: pages register themselves here by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from analytics.events.budget import whole_budget
from analytics.figures.lines import Lines
from crm.agents.models import User
from crm.shared.errors import DomainError


class FigureRefused(DomainError):
    """There is no such figure; the message says what to open instead."""

    code = "no_such_figure"


@dataclass(frozen=True)
class Opened:
    """What a number is made of: sorted ids of customers in the viewer's scope, and its meaning.

    ``query`` are the pairs that name the question and the figure, without places in a list;
    ``back`` is the address of the page that shows the number; ``question`` goes into audiences and
    the audit trail. ``share`` is the rate that the number belongs to, where there is one. A number
    that counts relations or other things has ``lines``, and ids of those whom they concern.
    """

    title: str
    ids: Sequence[int]
    definition: str
    back: str
    query: tuple[tuple[str, str], ...]
    version: int = 1
    data_time: datetime | None = None
    share: Rate | None = None
    question: dict[str, Any] = field(default_factory=dict)
    lines: Lines | None = None

    @property
    def count(self) -> int:
        return len(self.ids if self.lines is None else self.lines)

    @property
    def is_of_things(self) -> bool:
        """Whether nobody stands behind it, but groups."""
        return self.lines is not None and self.lines.of_things is not None


Opener = Callable[[QueryDict, User], Opened]

_openers: dict[str, Opener] = {}


def register(name: str, opener: Opener) -> None:
    """Let the figures of a page be opened under ``name``."""
    _openers[name] = opener


def names() -> list[str]:
    """All registered names."""
    return sorted(_openers)


def open_figure(name: str, params: QueryDict, user: User) -> Opened:
    """The people behind one number for this user; raises FigureRefused, or what its page raises."""
    if name not in _openers:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="name")
    with whole_budget():
        return _openers[name](params, user)
