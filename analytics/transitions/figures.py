"""Opening a cell of the transition matrix, a row or a column."""

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.funnels.queries import event_labels, source_for
from analytics.transitions.forms import TransitionForm
from analytics.transitions.queries import people_behind
from analytics.transitions.question import DEFINITION_VERSION, TransitionQuestion
from crm.agents.models import User
from crm.customers.models import Customer
from crm.shared.times import local_day

NAME = "transitions"


def stage_labels() -> dict[str, str]:
    """Names of all stages in the reader's language."""
    own = {
        "unknown": pgettext("stage", "未入池"),
        "passer_by": pgettext("stage", "过客"),
        "single": pgettext("stage", "单次客"),
        "regular": pgettext("stage", "常客"),
    }
    return own | {stage.value: str(stage.label) for stage in Customer.Stage}


def definition_of(question: TransitionQuestion) -> str:
    """The rule behind every cell, in words."""
    if question.by == "life":
        return _(
            "每位客户在两个日期结束时各处在一个生命阶段：挽回（曾是好友、现已不是），倦怠（成交过、"
            "120 天没有成交也没有发言），保温（有两个成交日，或 30 天内有一个），相知（有一个成交"
            "日，或加微满 30 天未成交），其余为相识；还没有任何记录的算未入池。"
            "所有格子之和是客户总数。"
        )
    return _(
        "每位客户在两个日期结束时各处在一个阶段：未入池（还没有任何记录）、过客（没有成交）、"
        "单次客（只有一个成交日）、常客（两个及以上成交日）。成交指「%(event)s」，到该日期已退款的"
        "不算，同一天多次只算一天。所有格子之和是客户总数。"
    ) % {"event": question.event}


# Not "before" and "after": these say where in a list of people one is.
STAGE_PARAMS = {"was": "before", "became": "after"}


def open_transitions(params: QueryDict, user: User) -> Opened:
    """Who stands in one cell; parameters are those of the page plus was and became."""
    form = TransitionForm(params, today=local_day(timezone.now()), events=event_labels())
    question = form.question()
    if question is None:
        first = next(iter(form.errors.values()))[0]
        raise FigureRefused(str(first), field=next(iter(form.errors)))
    figure = [(name, params[name]) for name in STAGE_PARAMS if params.get(name)]
    stages = {STAGE_PARAMS[name]: stage for name, stage in figure}
    ids = people_behind(question, user=user, **stages)
    query = form.query()
    return Opened(
        title=_title(question, dict(figure)),
        ids=ids,
        definition=definition_of(question),
        version=DEFINITION_VERSION,
        data_time=source_for(user).data_time,
        back=f"{reverse('analytics:transitions:transitions')}?{query.urlencode()}",
        query=(*((name, str(value)) for name, value in query.items()), *figure),
        question=question.as_json() | {"figure": dict(figure)},
    )


def _title(question: TransitionQuestion, figure: dict[str, str]) -> str:
    labels = stage_labels()
    dates = {"was": question.since, "became": question.until}
    parts = [f"{dates[name]} {labels[stage]}" for name, stage in figure.items()]
    return " → ".join(parts) or _("全部客户")


register(NAME, open_transitions)
