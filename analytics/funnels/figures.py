"""Opening a number of the funnel: who reached a step, went on, was lost or is still on the way."""

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.funnels.charts import state_labels
from analytics.funnels.forms import CELL_PREFIX, FunnelForm, figure_from
from analytics.funnels.queries import Figure, event_labels, people_behind
from analytics.funnels.question import Question
from crm.agents.models import User
from crm.shared.times import local_day

NAME = "funnel"
KEPT = "answer"
DEFINITION_VERSION = 1


def definition() -> str:
    """What the numbers of every step mean."""
    return _(
        "到达：在窗口内依次走到这一步的客户，每人只计一次。已到下一步、流失、还在窗口内三者相加等于"
        "到达；窗口没走完的不算流失。已定局只看窗口全部走完的人，提早读也作数。用时从入口算起。"
        "比率后面是人数和 95% 置信区间。"
    )


def open_funnel(params: QueryDict, user: User) -> Opened:
    """The people behind one number; parameters are those of the page, plus step, state and cell.

    ``answer`` is the token of the answer that showed the number, while that is kept.
    """
    form = FunnelForm(params, today=local_day(timezone.now()), events=event_labels())
    question = form.question()
    if question is None:
        field = next(iter(form.errors))
        raise FigureRefused(str(form.errors[field][0]), field=field)
    figure, token = figure_from(params), params.get(KEPT, "")
    found = people_behind(question, figure, user=user, token=token)
    pairs = [("step", str(figure.step)), ("state", figure.state)]
    pairs += [(CELL_PREFIX + name, key) for name, key in figure.cell]
    pairs += [(KEPT, token)] if token else []
    query = form.query()
    return Opened(
        title=_title(form, figure, question),
        ids=found.ids,
        definition=definition(),
        version=DEFINITION_VERSION,
        data_time=found.data_time,
        back=f"{reverse('analytics:funnels:funnel')}?{query.urlencode()}",
        query=(*((name, value) for name, values in query.lists() for value in values), *pairs),
        question=question.as_json()
        | {"figure": {"step": figure.step, "state": figure.state, "cell": dict(figure.cell)}},
    )


def _title(form: FunnelForm, figure: Figure, question: Question) -> str:
    event = question.steps[figure.step - 1].event
    label = form.events.get(event, event)
    if question.order == "any":
        label = _("任意 %(n)s 步") % {"n": figure.step}
    state = {"reached": _("到达"), **state_labels()}[figure.state]
    return " · ".join([f"{figure.step}. {label}", state, *(key for _name, key in figure.cell)])


register(NAME, open_funnel)
