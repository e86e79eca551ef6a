"""What is asked about replies: which days, whose agents; read from words in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from crm.shared.errors import DomainError
from crm.shared.times import day_start, local_day

RANGES = (7, 30, 90)
DEFAULT_DAYS = 30
LONGEST_DAYS = 184
FIELDS = ("from", "to", "department", "agent")
DEFINITION_VERSION = 1


class RepliesRefused(DomainError):
    """A question about replies that has no answer; names the field."""

    code = "replies_refused"


@dataclass(frozen=True)
class RepliesQuestion:
    """Turns that began on whole local days, both included; departments and agents narrow."""

    first: date
    last: date
    departments: tuple[int, ...] = ()
    agents: tuple[int, ...] = ()

    @property
    def since(self) -> datetime:
        return day_start(self.first)

    @property
    def until(self) -> datetime:
        return day_start(self.last + timedelta(days=1))

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The question as pairs of a query string: the same link means the same tomorrow."""
        return (
            ("from", self.first.isoformat()),
            ("to", self.last.isoformat()),
            *(("department", str(pk)) for pk in self.departments),
            *(("agent", str(pk)) for pk in self.agents),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "departments": list(self.departments),
            "agents": list(self.agents),
        }


def question_from(values: Mapping[str, list[str]], *, now: datetime) -> RepliesQuestion:
    """The question that lists of plain words ask; raises RepliesRefused.

    Nothing given asks about the last thirty days until yesterday; today is not over.
    """
    yesterday = local_day(now) - timedelta(days=1)
    last = _day(values, "to") or yesterday
    first = _day(values, "from") or last - timedelta(days=_days(values) - 1)
    if last > local_day(now):
        raise RepliesRefused(_("结束日期还没有到"), field="to")
    if last < first:
        raise RepliesRefused(_("结束日期早于开始日期"), field="to")
    if (last - first).days >= LONGEST_DAYS:
        words = _("一次最多看 %(n)s 天，请缩小日期范围") % {"n": LONGEST_DAYS}
        raise RepliesRefused(words, field="from")
    return RepliesQuestion(first, last, _numbers(values, "department"), _numbers(values, "agent"))


def _day(values: Mapping[str, list[str]], field: str) -> date | None:
    text = (values.get(field) or [""])[-1].strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        words = _("看不懂日期「%(text)s」：请写作 2026-11-01") % {"text": text[:20]}
        raise RepliesRefused(words, field=field) from None


def _days(values: Mapping[str, list[str]]) -> int:
    text = (values.get("days") or [""])[-1]
    if not text:
        return DEFAULT_DAYS
    if not (text.isascii() and text.isdigit() and len(text) < 5 and int(text)):
        raise RepliesRefused(_("天数须是正整数"), field="days")
    return int(text)


def _numbers(values: Mapping[str, list[str]], field: str) -> tuple[int, ...]:
    texts = [text for text in values.get(field) or [] if text]
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
        words = _("「%(field)s」须是编号") % {"field": field}
        raise RepliesRefused(words, field=field)
    return tuple(sorted({int(text) for text in texts}))
