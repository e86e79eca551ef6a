"""The judgement on a post: who was drawn to see it against who was kept out of its tag.

By assignment: whoever was drawn to see it is treated, whether it was visible to them or not, and
visible is not seen. Everything counts from the planned hour, whenever an agent pressed the button.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.utils.translation import gettext as _

from analytics.results.comparing import Comparison, Contamination, compared, ids_of, touched
from analytics.results.looking import Looking
from analytics.results.outcomes import Outcomes, deeds
from crm.agents.models import User
from crm.customers.models import Customer
from crm.moments.models import Moment, MomentAudience
from crm.trials.models import Assignment

_DRAWN = """
    select customer_id, arm, %(since)s::timestamptz as since, null::bigint as agent_id
    from crm_assignment where trial_id = %(trial)s
"""


@dataclass(frozen=True, kw_only=True)
class MomentJudgement(Comparison):
    """The answer on a post within the viewer's scope."""

    moment: Moment

    figure = "moment-result"

    @property
    def query(self) -> dict[str, object]:
        """Its numbers are of this post."""
        return {"moment": self.moment.pk}

    def arm_words(self, arm: str) -> str:
        """Those drawn to see it are called so."""
        return super().arm_words(arm) if arm == "control" else _("抽中可见")

    @property
    def definition(self) -> str:
        """What every number of the comparison means."""
        return _(
            "按分组计：抽中可见的人不论是否真的可见都算，对照组是发表前随机留出、取下标签的人；"
            "“可见”不等于看过。从计划发表时间起观察 %(days)s 天。净收入是付款减退款；区间为 95%%，"
            "有历史时用之前 180 天的付款和发言作校正（CUPED）。"
        ) % {"days": self.days}


def judge_moment(moment: Moment, *, days: int, user: User, now: datetime) -> MomentJudgement | None:
    """Compare the arms of a post; None where no control was drawn."""
    trial = moment.trial
    if trial is None or trial.drawn_at is None:
        return None
    looking = Looking.at(now, since=moment.publish_at, days=days)
    people = Assignment.unsafe_all.filter(trial=trial).values("customer_id")
    found = deeds(_DRAWN, {"trial": trial.pk, "since": looking.since}, looking, now=now)
    found = found.within(ids_of(Customer.objects.for_user(user).filter(pk__in=people)))
    return MomentJudgement(
        moment=moment,
        days=days,
        found=found,
        report=compared(found, looking, trial.control_percent / 100),
        contamination=_contamination(moment, found, looking),
        looking=looking,
    )


def _contamination(moment: Moment, found: Outcomes, looking: Looking) -> Contamination:
    """Who could see it of either arm, and whom something else reached in the meantime."""
    seen = MomentAudience.unsafe_all.filter(task__moment=moment).values_list("customer_id")
    visible = np.isin(found.ids, np.fromiter((pk for (pk,) in seen), np.int64))
    people = Assignment.unsafe_all.filter(trial=moment.trial_id).values("customer_id")
    hit = touched(
        people, found.ids, since=looking.since, until=looking.ends_at, besides_moment=moment
    )
    return Contamination(
        control_touched=int((hit & found.held).sum()),
        treated_touched=int((hit & ~found.held).sum()),
        treated_missed=int((~visible & ~found.held).sum()),
        control_reached=int((visible & found.held).sum()),
    )
