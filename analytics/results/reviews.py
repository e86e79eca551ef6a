"""The review of a send: what was planned, what came of it, what it cost, what was learned.

Reached are those to whom WeCom says that it was sent. Money is what the people of the plan paid
less what went back in the days of observation; without a control that is not what the send earned.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from analytics.experiments.checks import benjamini_hochberg
from analytics.results.aftermath import ALARM, Aftermath, Excess, aftermath, together
from analytics.results.clicks import LinkRow, clicks
from analytics.results.figures import starts_of
from analytics.results.judging import Judgement
from crm.agents.models import User
from crm.outreach.queries import Tally, tally
from crm.reviews.models import ReviewCost, ReviewLesson

DEFINITION_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """What reviews of sends and of posts share: links, deletions, and what people wrote down."""

    links: list[LinkRow]
    after: list[Aftermath]
    costs: list[ReviewCost]
    lessons: list[ReviewLesson]

    @property
    def cost_cents(self) -> int | None:
        """The sum of the lines; None where nobody wrote any down, which is not nothing."""
        return sum(cost.amount_cents for cost in self.costs) if self.costs else None

    @property
    def opened(self) -> int:
        """Times that its links were opened."""
        return sum(link.told.opened for link in self.links)

    def cost_per(self, count: int) -> int | None:
        """Cents for each of ``count``; None where there is no cost or nobody."""
        if self.cost_cents is None or not count:
            return None
        return round(self.cost_cents / count)

    @property
    def alarming(self) -> list[Aftermath]:
        """Accounts that were deleted by more people than usual, however many were looked at.

        Of sixty accounts three would stand out by chance: p values are adjusted for that (Benjamini
        & Hochberg 1995).
        """
        adjusted = benjamini_hochberg([row.p_value for row in self.after])
        return [
            row for row, p in zip(self.after, adjusted, strict=True) if p < ALARM and row.is_high
        ]

    @property
    def excess(self) -> Excess | None:
        """Deletions after it, of all its senders in scope as one."""
        return together(self.after)

    @property
    def eats_the_asset(self) -> bool:
        """Whether relations are lost beyond the usual, whatever was sold."""
        return bool(self.alarming) or (self.excess is not None and self.excess.is_high)

    def shared_json(self) -> dict[str, Any]:
        """The part of the answer that is the same for both; money in cents."""
        return {
            "links": [one.as_json() for one in self.links],
            "deletions": self.excess.as_json() if self.excess else None,
            "deletions_above_usual": [row.agent for row in self.alarming],
            "eats_the_asset": self.eats_the_asset,
            "cost_cents": self.cost_cents,
            "lessons": [lesson.text for lesson in self.lessons],
            "definition_version": DEFINITION_VERSION,
        }


@dataclass(frozen=True, kw_only=True)
class Review(Reviewed):
    """Everything of one send, within the viewer's scope."""

    found: Judgement
    tally: Tally

    @property
    def orders(self) -> int:
        """People of the plan who ordered."""
        return len(self.found.people("treated", "ordered"))

    @property
    def money_cents(self) -> int:
        """What the people of the plan paid, less what went back."""
        values = self.found.found.values["money"][~self.found.found.held]
        return round(float(values.sum()) * 100)

    def as_json(self) -> dict[str, Any]:
        """The answer as the API prints it; money in cents."""
        return self.shared_json() | {
            "send": self.found.send.pk,
            "days": self.found.days,
            "is_over": self.found.is_over,
            "planned": self.tally.planned,
            "reached": self.tally.received,
            "not_reached": [
                {"state": part.state, "reason": part.reason, "customers": part.count}
                for part in self.tally.parts
                if part.state != "done"
            ],
            "ordered": self.orders,
            "money_cents": self.money_cents,
            "replied": len(self.found.people("treated", "replied")),
            "cost_per_reached_cents": self.cost_per(self.tally.received),
            "cost_per_order_cents": self.cost_per(self.orders),
        }


def review(found: Judgement, *, user: User) -> Review:
    """The review that belongs to a judgement."""
    send = found.send
    return Review(
        found=found,
        tally=tally(send, user),
        links=clicks(send, days=found.days, user=user),
        after=aftermath(starts_of(send), user),
        costs=list(send.costs.select_related("noted_by__agent")),
        lessons=list(send.lessons.select_related("noted_by__agent")),
    )


def definition() -> str:
    """What the numbers of the page mean."""
    return _(
        "送达以企业微信的结果为准。下单和净收入是计划收到的人在观察期内的付款减退款；"
        "没有对照组时不等于群发带来的。打开次数按短链接在观察期内计，同一链接用在别处的也算在内。"
        "删除与前四周每 48 小时的平均相比（两个泊松率的精确条件检验）：全部账号合在一起检验一次，"
        "p < 0.05 才算高于平时；单个账号的 p 值按账号数校正（Benjamini–Hochberg）后才点名。"
    )


def file_rows(found: Review) -> Iterator[list[Any]]:
    """The review as rows of a file: section, what, value, note."""
    send = found.found.send
    plan, result = _("计划"), _("结果")
    yield [plan, _("名称"), send.title, ""]
    yield [plan, _("发送时间"), send.send_at, ""]
    yield [plan, _("计划人数"), found.tally.planned, ""]
    for part in found.tally.parts:
        yield [plan, part.label, part.count, part.reason]
    yield [result, _("送达"), found.tally.received, ""]
    yield [result, _("回复"), len(found.found.people("treated", "replied")), ""]
    yield [result, _("下单"), found.orders, ""]
    yield [result, _("净收入（元）"), found.money_cents / 100, ""]
    yield from shared_rows(found)


def shared_rows(found: Reviewed) -> Iterator[list[Any]]:
    """The rows that are the same for sends and posts."""
    result, cost = _("结果"), _("成本")
    for link in found.links:
        yield [result, _("打开次数"), link.told.opened, link.link.title]
    if found.excess:
        yield [result, _("48 小时内的删除"), len(found.excess.people), ""]
        yield [result, _("平常"), round(found.excess.usual, 1), ""]
        yield [result, _("p 值"), round(found.excess.p_value, 6), ""]
    for row in found.alarming:
        yield [result, _("删除高于平时"), row.deletions, row.agent]
    for line in found.costs:
        yield [cost, line.label, line.amount_cents / 100, line.source]
    if found.cost_cents is not None:
        yield [cost, _("合计（元）"), found.cost_cents / 100, ""]
    for lesson in found.lessons:
        yield [_("经验"), lesson.noted_at, lesson.text, ""]
