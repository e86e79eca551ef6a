"""Opening a number of the reply page: the customers whose turns it counts."""

from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.replies.queries import STATES, agents_asked, people_behind
from analytics.replies.question import DEFINITION_VERSION, RepliesQuestion, question_from
from crm.agents.access import Permission
from crm.agents.models import User
from crm.shared.formatting import day as day_text

NAME = "replies"


def state_labels() -> dict[str, str]:
    """What a figure counts, in words."""
    return {
        "all": _("来话客户"),
        "unanswered": _("没等到回复的客户"),
        "off_hours": _("工作时间外来话的客户"),
    }


def definition() -> str:
    """The rule behind every figure, in words."""
    return _(
        "客户连续发来的消息算一轮，从第一条等到员工下一条消息；沉默超过 7 天另起一轮，"
        "7 天内没有回复算没等到。还没有回复的按“至少等了这么久”计入中位数和 P90"
        "（Kaplan-Meier），不剔除。工时只算该员工班次内的时间，随节假日与调休。"
        "机器发出的消息不算回复。"
    )


def open_replies(params: QueryDict, user: User) -> Opened:
    """Who stands behind one number; parameters are those of the page plus ``state``."""
    if not user.can(Permission.AGENTS_VIEW):
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="name")
    state = params.get("state", "all")
    if state not in STATES:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="state")
    now = timezone.now()
    question = question_from(dict(params.lists()), now=now)
    return Opened(
        title=f"{_title(question, user)} · {state_labels()[state]}",
        ids=people_behind(question, user=user, state=state, now=now),
        definition=definition(),
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{reverse('analytics:replies:replies')}?{urlencode(question.pairs())}",
        query=(*question.pairs(), ("state", state)),
        question=question.as_json() | {"figure": {"state": state}},
    )


def _title(question: RepliesQuestion, user: User) -> str:
    days = f"{day_text(question.first)} – {day_text(question.last)}"
    if len(question.agents) == 1:
        [agent] = agents_asked(question, user)
        return f"{agent.name} · {days}"
    return days


register(NAME, open_replies)
