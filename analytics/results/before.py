"""A send or a post beside the one it follows: what was changed, and what came of both.

What came after a change need not have come from it: only a random control tells. So the page says
what is different and never why.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from analytics.results.judging import judge
from analytics.results.reviews import Review, Reviewed, review
from crm.agents.models import User
from crm.moments.models import Moment
from crm.outreach.models import MassSend
from crm.shared.formatting import ABSENT, digits, in_corp_zone, money
from crm.shared.formatting import rate as rate_text
from crm.worktime.models import WEEKDAYS

_SHOWN_CHARS = 60
Teller = tuple[str, Callable[[Any], str]]


@dataclass(frozen=True)
class Pair:
    """One thing of two sends or posts, in words."""

    label: str
    before: str
    now: str


@dataclass(frozen=True)
class Before:
    """The one before and its page, what is different about this one, and both in numbers."""

    last: MassSend | Moment
    page: str
    changes: list[Pair]
    numbers: list[Pair]


def before(found: Review, *, user: User) -> Before | None:
    """The comparison with the send that this one follows, where the viewer may see it."""
    send = found.found.send
    if send.follows_id is None:
        return None
    seen = MassSend.objects.for_user(user).select_related("audience")
    last = seen.filter(pk=send.follows_id).first()
    if last is None:
        return None
    judged = judge(last, days=found.found.days, user=user, now=timezone.now())
    past = review(judged, user=user)
    page = reverse("analytics:results:review", args=[last.pk])
    return Before(last, page, list(changes(_what(), last, send)), list(_numbers(past, found)))


def changes(tellers: Iterable[Teller], last: Any, this: Any) -> Iterator[Pair]:
    """What a person would call different; nothing where all is the same."""
    if last.text != this.text:
        yield Pair(_("文字"), text_words(last.text), text_words(this.text))
    for label, tell in tellers:
        old, new = tell(last), tell(this)
        if old != new:
            yield Pair(label, old, new)


def _what() -> list[Teller]:
    return [
        (_("人群"), lambda one: one.audience.name if one.audience else ABSENT),
        (_("链接卡片"), lambda one: one.link_title or one.link_url or ABSENT),
        (_("内容类别"), lambda one: str(one.get_content_kind_display())),
        (_("发送时刻"), lambda one: hour_words(one.send_at)),
        (_("对照组比例"), lambda one: f"{one.control_percent}%"),
    ]


def text_words(text: str) -> str:
    """The beginning of a text."""
    return Truncator(text).chars(_SHOWN_CHARS) or ABSENT


def hour_words(instant: datetime) -> str:
    """The weekday and time of day."""
    at = in_corp_zone(instant)
    return f"{WEEKDAYS[at.weekday()]} {at:%H:%M}"


def _numbers(past: Review, found: Review) -> Iterator[Pair]:
    for label, tell in (
        (_("计划人数"), lambda one: digits(one.tally.planned)),
        (_("送达率"), lambda one: share_words(one.tally.received, one.tally.planned)),
        (_("回复率"), lambda one: share_words(_people(one, "replied"), _treated(one))),
        (_("下单率"), lambda one: share_words(one.orders, _treated(one))),
        *shared_tellers(),
    ):
        yield Pair(label, tell(past), tell(found))


def shared_tellers() -> list[Teller]:
    """The numbers that sends and posts both have."""
    return [
        (_("净收入"), lambda one: money(one.money_cents)),
        (_("打开次数"), lambda one: digits(one.opened) if one.links else ABSENT),
        (_("48 小时内的删除（平常）"), _deletions),
        (_("成本"), lambda one: ABSENT if one.cost_cents is None else money(one.cost_cents)),
    ]


def _people(one: Review, outcome: str) -> int:
    return len(one.found.people("treated", outcome))


def _treated(one: Review) -> int:
    return int((~one.found.found.held).sum())


def share_words(k: int, n: int) -> str:
    """A share with its interval and how many it is of."""
    share = Rate(k, n)
    if share.value is None:
        return ABSENT
    return _("%(share)s（%(low)s 到 %(high)s，n = %(n)s）") % {
        "share": rate_text(share.value),
        "low": rate_text(share.low),
        "high": rate_text(share.high),
        "n": digits(n),
    }


def _deletions(one: Reviewed) -> str:
    if one.excess is None:
        return ABSENT
    return f"{digits(len(one.excess.people))} ({one.excess.usual:.1f})"
