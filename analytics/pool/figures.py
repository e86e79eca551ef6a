"""Opening a number of the balance, and the rules behind them in words."""

from datetime import date

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.pool.balance import DEFINITION_VERSION, BalanceQuestion
from analytics.pool.forms import BalanceForm
from analytics.pool.queries import people_behind
from crm.agents.models import User
from crm.shared.formatting import day as day_text
from crm.shared.times import local_day

NAME = "pool"


def labels() -> dict[str, str]:
    """What a number counts, in words."""
    return {
        "opening": _("期初"),
        "closing": _("期末"),
        "came": pgettext("pool", "进入"),
        "went": pgettext("pool", "离开"),
        "first": _("首次进入"),
        "back": _("重新进入"),
        "handed_over": _("移交后接上"),
        "deleted_by_customer": _("客户删除员工"),
        "deleted_by_agent": _("员工删除客户"),
        "transferred": _("好友移交"),
        "left": _("自己退群"),
        "removed": _("被移出群"),
        "dismissed": _("群已解散"),
    }


def definition_of(question: BalanceQuestion) -> str:
    """The rule behind every number, in words."""
    if question.pool == "groups":
        return _(
            "只要还在任何一个客户群里，客户就在群池。按天算净变化：一天开始时不在、结束时在，算进入；"
            "反过来算离开，原因取当天最后一次。期初 + 进入 − 离开 = 期末。同一天进出抵消的人不算，"
            "但仍计入入群和退群次数。"
        )
    return _(
        "只要还是任何一位员工的好友，客户就在好友池。按天算净变化：一天开始时不在、结束时在，算进入；"
        "反过来算离开，原因取当天最后一次。期初 + 进入 − 离开 = 期末。同一天进出抵消的人不算，"
        "但仍计入关系的建立和结束次数。"
    )


def open_pool(params: QueryDict, user: User) -> Opened:
    """Who stands behind one number of a day; parameters are those of the page plus what and on."""
    form = BalanceForm(params, today=local_day(timezone.now()))
    question = form.question()
    if question is None:
        first = next(iter(form.errors.values()))[0]
        raise FigureRefused(str(first), field=next(iter(form.errors)))
    what, on = params.get("what", ""), _day(params.get("on", ""))
    ids = people_behind(question, user=user, what=what, on=on)
    figure = [("what", what), ("on", str(on))]
    query = form.query()
    pool = dict(form.fields["pool"].choices)[question.pool]
    return Opened(
        title=f"{pool} · {day_text(on)} · {labels()[what]}",
        ids=ids,
        definition=definition_of(question),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=f"{reverse('analytics:pool:pool')}?{query.urlencode()}",
        query=(*((name, str(value)) for name, value in query.items()), *figure),
        question=question.as_json() | {"figure": dict(figure)},
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


register(NAME, open_pool)
