"""Opening a number of the standing journey, and the rule behind them in words."""

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.funnels.queries import event_labels
from analytics.standing.forms import JourneyForm
from analytics.standing.journey import DEFINITION_VERSION, STEPS
from analytics.standing.queries import people_behind
from crm.agents.models import User
from crm.shared.times import local_day
from crm.timeline.catalogue import STANDARD_JOURNEY

NAME = "journey"


def step_labels() -> list[str]:
    """Names of the steps in the reader's language."""
    labels = event_labels()
    return [labels.get(code, code) for code in STANDARD_JOURNEY]


def definition() -> str:
    """The rule behind every number, in words."""
    return _(
        "标准旅程 加微 → 入群 → 留存 → 活跃 → 转化 → 复购，按顺序、从加微起 30 天内完成才算到达；"
        "任何一次加微都可以是入口，取走得最远的一次，渠道和员工以那次入口为准。"
        "「仍有时间」是窗口还没过完、还可能往前走的人。"
    )


def open_journey(params: QueryDict, user: User) -> Opened:
    """Who stands behind one number; parameters are those of the page plus state, step and key."""
    now = timezone.now()
    form = JourneyForm(params, today=local_day(now))
    question = form.question()
    if question is None:
        first = next(iter(form.errors.values()))[0]
        raise FigureRefused(str(first), field=next(iter(form.errors)))
    state, step = params.get("state", ""), params.get("step", "1")
    number = int(step) if step in {str(n) for n in range(1, STEPS + 1)} else 0
    key = params.get("key")
    ids = people_behind(question, user=user, step=number, state=state, key=key, now=now)
    query = form.query()
    figure = [("state", state), ("step", step), *([("key", key)] if key is not None else [])]
    what = _("仍有时间") if state == "open" else step_labels()[number - 1]
    row = key if question.by == "week" and key else ""
    return Opened(
        title=" · ".join(part for part in (_("标准旅程"), row, what) if part),
        ids=ids,
        definition=definition(),
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{reverse('analytics:standing:journey')}?{query.urlencode()}",
        query=(*((name, str(value)) for name, value in query.items()), *figure),
        question=question.as_json() | {"figure": dict(figure)},
    )


register(NAME, open_journey)
