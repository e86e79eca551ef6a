"""The review of a post to Moments: the plan, who could see it, what followed, costs and lessons.

Visible are those of whom WeCom says so; visible is not seen. Orders and money are of those people
from when they could first see it: what came after the post, never what the post earned.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _

from analytics.results.aftermath import aftermath
from analytics.results.clicks import moment_clicks
from analytics.results.moment_judging import MomentJudgement, judge_moment
from analytics.results.post_figures import LABELS, task_starts
from analytics.results.posts import OUTCOMES, Viewers, viewers
from analytics.results.reviews import Reviewed, shared_rows
from crm.agents.models import User
from crm.moments.models import Moment
from crm.moments.queries import Results, read_results


@dataclass(frozen=True, kw_only=True)
class MomentReview(Reviewed):
    """Everything of one post, within the viewer's scope.

    ``compared`` is None where no control was drawn. ``ends_at``: when the last account's days of
    observation are over.
    """

    moment: Moment
    days: int
    ends_at: datetime
    is_over: bool
    told: Results
    viewers: Viewers
    compared: MomentJudgement | None

    def people(self, what: str) -> int:
        """How many did it, by the names of ``posts.OUTCOMES``."""
        return len(self.viewers.people[what])

    @property
    def orders(self) -> int:
        """People who could see it and paid afterwards."""
        return self.people("ordered")

    @property
    def money_cents(self) -> int:
        """What those paid who could see it, less what went back."""
        return self.viewers.net_cents

    def as_json(self) -> dict[str, Any]:
        """The answer as the API prints it; money in cents."""
        return self.shared_json() | {
            "moment": self.moment.pk,
            "follows": self.moment.follows_id,
            "days": self.days,
            "ends_at": self.ends_at.isoformat(),
            "is_over": self.is_over,
            "has_control": self.compared is not None,
            "planned": self.told.planned_customers,
            "agents": self.told.agents,
            "published": self.told.published,
            **{what: self.people(what) for what in OUTCOMES},
            "money_cents": self.money_cents,
            "cost_per_visible_cents": self.cost_per(self.people("visible")),
            "cost_per_order_cents": self.cost_per(self.orders),
        }


def moment_review(moment: Moment, *, days: int, user: User, now: datetime) -> MomentReview:
    """The review of a post after so many days."""
    last = moment.tasks.aggregate(at=Max("published_at"))["at"] or moment.publish_at
    ends_at = last + timedelta(days=days)
    return MomentReview(
        moment=moment,
        days=days,
        ends_at=ends_at,
        is_over=ends_at <= now,
        told=read_results(moment, user),
        viewers=viewers(moment, days=days, user=user),
        compared=judge_moment(moment, days=days, user=user, now=now),
        links=moment_clicks(moment, days=days, user=user),
        after=aftermath(task_starts(moment, user), user),
        costs=list(moment.costs.select_related("noted_by__agent")),
        lessons=list(moment.lessons.select_related("noted_by__agent")),
    )


def moment_rule(days: int) -> str:
    """The rule by which orders belong to a post, printed where they are."""
    return _(
        "归因规则：从客户最早能看到这条朋友圈的那一刻起 %(days)s 天内的付款都算，"
        "净收入是付款减退款；同一笔订单可以同时算在别的朋友圈或群发里。“可见”不等于看过，先后不等于因果。"
    ) % {"days": days}


def moment_file_rows(found: MomentReview) -> Iterator[list[Any]]:
    """The review as rows of a file: section, what, value, note."""
    plan, result = _("计划"), _("结果")
    yield [plan, _("名称"), found.moment.title, ""]
    yield [plan, _("发表时间"), found.moment.publish_at, ""]
    yield [plan, _("计划可见"), found.told.planned_customers, ""]
    yield [plan, _("收到任务的员工"), found.told.agents, ""]
    yield [plan, _("已发表的员工"), found.told.published, ""]
    for what in OUTCOMES:
        yield [result, str(LABELS[what]), found.people(what), ""]
    yield [result, _("净收入（元）"), found.money_cents / 100, moment_rule(found.days)]
    yield from shared_rows(found)
