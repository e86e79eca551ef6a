"""Keeping the people behind a figure."""

from datetime import datetime

from django.utils.translation import gettext as _

from analytics.funnels.queries import Figure, people_behind
from analytics.funnels.question import Question
from crm.agents.models import User
from crm.audiences.actions import freeze_audience
from crm.audiences.models import Audience


def save_as_audience(
    *, question: Question, figure: Figure, name: str, by: User, now: datetime
) -> Audience:
    """Freeze exactly the customers whom the figure counts for this user, with the question."""
    words = _("漏斗 %(steps)s 第 %(n)s 步")
    return freeze_audience(
        name=name,
        customer_ids=people_behind(question, figure, user=by),
        description=words
        % {"steps": " → ".join(step.event for step in question.steps), "n": figure.step},
        question=question.as_json()
        | {"figure": {"step": figure.step, "state": figure.state, "cell": dict(figure.cell)}},
        by=by,
        now=now,
    )
