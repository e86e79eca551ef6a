"""Opening a cell of the retention table."""

from datetime import date

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.funnels.queries import event_labels, source_for
from analytics.funnels.question import Step
from analytics.retention.forms import RetentionForm
from analytics.retention.queries import people_behind
from analytics.retention.question import DEFINITION_VERSION, RetentionQuestion
from crm.agents.models import User
from crm.shared.formatting import day as day_text
from crm.shared.times import local_day

NAME = "retention"


def state_labels() -> dict[str, str]:
    """What a figure counts, in words."""
    return {
        "size": _("这一批"),
        "eligible": _("满期"),
        "returned": _("回来了"),
        "absent": _("没回来"),
    }


def step_words(step: Step) -> str:
    """A step by the name of its event, its filters as they were written."""
    return event_labels().get(step.event, step.event) + str(step)[len(step.event) :]


def definition_of(question: RetentionQuestion) -> str:
    """The rule behind every cell, in words."""
    how = {
        "on": _("在这一期内回来"),
        "on_or_after": _("在这一期或以后回来"),
        "bracket": _("在区间的某一天回来"),
    }[question.kind]
    return _(
        "起点是客户第一次「%(birth)s」；%(how)s（%(back)s）才算；起点当天再次发生不算。"
        "只有整期已经过完的客户进分母。"
    ) % {
        "birth": step_words(question.birth),
        "back": step_words(question.comes_back),
        "how": how,
    }


def open_retention(params: QueryDict, user: User) -> Opened:
    """Who stands in one cell; parameters are those of the page plus state, at and cohort."""
    form = RetentionForm(params, today=local_day(timezone.now()), events=event_labels())
    question = form.question()
    if question is None:
        first = next(iter(form.errors.values()))[0]
        raise FigureRefused(str(first), field=next(iter(form.errors)))
    state, at = params.get("state", "returned"), params.get("at", "0")
    if not (at.isascii() and at.isdigit() and len(at) < 4):
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="at")
    cohort = _cohort(params.get("cohort", ""))
    ids = people_behind(question, user=user, state=state, period=int(at), cohort=cohort)
    query = form.query()
    figure = [("state", state), ("at", at), *([("cohort", str(cohort))] if cohort else [])]
    batch = day_text(cohort) if cohort else _("所有批次")
    parts = [batch, state_labels()[state]]
    if state != "size":
        parts.insert(1, period_name(question, int(at)))
    return Opened(
        title=" · ".join(parts),
        ids=ids,
        definition=definition_of(question),
        version=DEFINITION_VERSION,
        data_time=source_for(user).data_time,
        back=f"{reverse('analytics:retention:retention')}?{query.urlencode()}",
        query=(*((name, str(value)) for name, value in query.items()), *figure),
        question=question.as_json() | {"figure": dict(figure)},
    )


def period_name(question: RetentionQuestion, number: int) -> str:
    """The head of a column: the period, or the days of a bracket."""
    if question.kind == "bracket":
        low, high = question.ranges[number]
        days = str(low) if low == high else f"{low}–{high}"
        return _("第 %(days)s 天") % {"days": days}
    words = {"day": _("第 %(n)s 天"), "week": _("第 %(n)s 周"), "month": _("第 %(n)s 月")}
    return words[question.period] % {"n": number}


def _cohort(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="cohort") from None


register(NAME, open_retention)
