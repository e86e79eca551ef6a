"""A send beside the one it follows: what was changed, and what came of it this time and last.

What came after a change need not have come from it: only a random control tells. So the page says
what is different and never why.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from analytics.results.judging import judge
from analytics.results.reviews import Review, review
from crm.agents.models import User
from crm.outreach.models import MassSend
from crm.shared.formatting import ABSENT, digits, in_corp_zone, money
from crm.shared.formatting import rate as rate_text
from crm.worktime.models import WEEKDAYS

_SHOWN_CHARS = 60


@dataclass(frozen=True)
class Pair:
    """One thing of two sends, in words."""

    label: str
    before: str
    now: str


@dataclass(frozen=True)
class Before:
    """The send before, what is different about this one, and both in numbers."""

    send: MassSend
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
    return Before(last, list(_changes(last, send)), list(_numbers(past, found)))


def _changes(last: MassSend, send: MassSend) -> Iterator[Pair]:
    """What a person would call different; nothing where all is the same."""
    for label, tell in (
        (_("人群"), lambda one: one.audience.name if one.audience else ABSENT),
        (_("文字"), lambda one: Truncator(one.text).chars(_SHOWN_CHARS) or ABSENT),
        (_("链接卡片"), lambda one: one.link_title or one.link_url or ABSENT),
        (_("内容类别"), lambda one: str(one.get_content_kind_display())),
        (_("发送时刻"), _moment),
        (_("对照组比例"), lambda one: f"{one.control_percent}%"),
    ):
        old, new = tell(last), tell(send)
        is_cut = label == _("文字") and last.text != send.text
        if old != new or is_cut:
            yield Pair(label, old, new)


def _moment(send: MassSend) -> str:
    at = in_corp_zone(send.send_at)
    return f"{WEEKDAYS[at.weekday()]} {at:%H:%M}"


def _numbers(past: Review, found: Review) -> Iterator[Pair]:
    for label, tell in (
        (_("计划人数"), lambda one: digits(one.tally.planned)),
        (_("送达率"), lambda one: _share(one.tally.received, one.tally.planned)),
        (_("回复率"), lambda one: _share(_people(one, "replied"), _treated(one))),
        (_("下单率"), lambda one: _share(one.orders, _treated(one))),
        (_("净收入"), lambda one: money(one.money_cents)),
        (_("打开次数"), lambda one: digits(one.opened) if one.links else ABSENT),
        (_("48 小时内的删除（平常）"), _deletions),
        (_("成本"), lambda one: ABSENT if one.cost_cents is None else money(one.cost_cents)),
    ):
        yield Pair(label, tell(past), tell(found))


def _people(one: Review, outcome: str) -> int:
    return len(one.found.people("treated", outcome))


def _treated(one: Review) -> int:
    return int((~one.found.found.held).sum())


def _share(k: int, n: int) -> str:
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


def _deletions(one: Review) -> str:
    if one.excess is None:
        return ABSENT
    return f"{digits(len(one.excess.people))} ({one.excess.usual:.1f})"
