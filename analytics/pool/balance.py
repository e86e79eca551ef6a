"""The balance itself: days, reasons, and what they add up to."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from analytics.standing.models import Link, Person, Pool
from crm.shared.errors import DomainError

DEFINITION_VERSION = 1
MAX_DAYS = 400
POOLS = {"friends": Pool.FRIENDS, "groups": Pool.GROUPS}
# Reasons in the order in which they stand on the page: the code, and what a move must be for it.
INS = {"first": Person.FIRST, "back": Person.BACK, "handed_over": Person.HANDED_OVER}
OUTS = {
    "friends": {
        "deleted_by_customer": Link.DELETED_BY_CUSTOMER,
        "deleted_by_agent": Link.DELETED_BY_AGENT,
        "transferred": Link.TRANSFERRED,
    },
    "groups": {"left": Link.LEFT, "removed": Link.REMOVED, "dismissed": Link.DISMISSED},
}
_BEGINS = (Link.ADDED, Link.JOINED)


class BalanceRefused(DomainError):
    """The balance cannot be drawn up as asked; the message names the field and the remedy."""

    code = "impossible_question"


@dataclass(frozen=True)
class BalanceQuestion:
    """Which pool, and which days, both included."""

    pool: str
    since: date
    until: date

    def __post_init__(self) -> None:
        if self.pool not in POOLS:
            raise BalanceRefused(_("请从 friends（好友池）、groups（群池）中选一个"), field="pool")
        if self.since > self.until:
            raise BalanceRefused(
                _("开始日期（%(since)s）晚于结束日期（%(until)s），请对调")
                % {"since": self.since, "until": self.until},
                field="from",
            )
        if (self.until - self.since).days >= MAX_DAYS:
            raise BalanceRefused(
                _("一次最多 %(n)s 天，请缩短日期范围") % {"n": MAX_DAYS}, field="from"
            )

    @property
    def ins(self) -> tuple[str, ...]:
        """Reasons of coming in that this pool knows."""
        return tuple(INS) if self.pool == "friends" else ("first", "back")

    @property
    def outs(self) -> tuple[str, ...]:
        """Reasons of leaving that this pool knows."""
        return tuple(OUTS[self.pool])

    def days(self) -> list[date]:
        return [self.since + timedelta(days=n) for n in range((self.until - self.since).days + 1)]

    def as_json(self) -> dict[str, Any]:
        """The question in the words of page and API."""
        return {
            "pool": self.pool,
            "from": self.since.isoformat(),
            "to": self.until.isoformat(),
        }


@dataclass
class BalanceDay:
    """One day: people by reason, and gross how many relations began and ended."""

    on: date
    opening: int = 0
    reasons: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    began: int = 0
    ended: int = 0
    came: int = 0
    went: int = 0

    @property
    def change(self) -> int:
        return self.came - self.went

    @property
    def closing(self) -> int:
        return self.opening + self.change


@dataclass(frozen=True)
class Balance:
    """The answer: every day of the range, and how far people, relations and groups cover."""

    question: BalanceQuestion
    days: list[BalanceDay]
    data_time: datetime
    friends: int
    members: int
    relations: int
    memberships: int
    groups: int

    @property
    def opening(self) -> int:
        return self.days[0].opening

    @property
    def closing(self) -> int:
        return self.days[-1].closing

    def total(self, name: str) -> int:
        """Sum of a reason, or of ``came``, ``went``, ``began``, ``ended``, over the days."""
        if name in ("came", "went", "began", "ended"):
            return sum(getattr(day, name) for day in self.days)
        return sum(day.reasons[name] for day in self.days)

    def as_json(self) -> dict[str, Any]:
        reasons = (*self.question.ins, *self.question.outs)
        return {
            "question": self.question.as_json(),
            "opening": self.opening,
            "closing": self.closing,
            "days": [
                {
                    "day": day.on.isoformat(),
                    "opening": day.opening,
                    "in": day.came,
                    "out": day.went,
                    "closing": day.closing,
                    "by_reason": {name: day.reasons[name] for name in reasons},
                    "relations_began": day.began,
                    "relations_ended": day.ended,
                }
                for day in self.days
            ],
            "coverage": {
                "friends": self.friends,
                "members": self.members,
                "relations": self.relations,
                "memberships": self.memberships,
                "groups": self.groups,
            },
            "data_time": self.data_time,
            "definition_version": DEFINITION_VERSION,
        }


def days_from(question: BalanceQuestion, opening: int, cells: list[tuple]) -> list[BalanceDay]:
    """Days in order from cells of (day, link, person, n)."""
    days = {on: BalanceDay(on) for on in question.days()}
    outs = {link: name for name, link in OUTS[question.pool].items()}
    ins = {person: name for name, person in INS.items()}
    for on, link, person, n in cells:
        day = days[on]
        if link in _BEGINS:
            day.began += n
        else:
            day.ended += n
        if person == Person.OUT:
            day.went += n
            day.reasons[outs[link]] += n
        elif person != Person.STAYED:
            day.came += n
            day.reasons[ins[person]] += n
    for day in days.values():
        day.opening = opening
        opening = day.closing
    return list(days.values())
