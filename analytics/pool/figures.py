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
from analytics.pool.relations import lines_behind
from crm.agents.models import User
from crm.shared.formatting import day as day_text
from crm.shared.times import local_day

NAME = "pool"
RELATIONS = "pool-relations"


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


def line_labels(question: BalanceQuestion) -> dict[str, str]:
    """What a number counts that does not count people."""
    is_groups = question.pool == "groups"
    return labels() | {
        "began": _("建立次数"),
        "ended": _("结束次数"),
        "standing": _("群成员身份") if is_groups else _("好友关系"),
        "groups": _("客户群"),
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
    form, question = _asked(params)
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


def lines_definition(question: BalanceQuestion, what: str) -> str:
    """The rule behind a number of relations, in words."""
    if what == "groups":
        return _("那天结束时已经建立、还没有解散的客户群，只列您能看到的。")
    if what not in ("began", "ended", "standing"):
        return definition_of(question)
    if question.pool == "groups":
        return _(
            "一个群成员身份是一位客户在一个群里：入群时建立，退群、被移出或群解散时结束；"
            "重新入群算新的一个。"
        )
    return _(
        "一条好友关系是一位客户和一位员工之间的：加微时建立，任何一方删除或移交时结束；"
        "重新加微算新的一条。"
    )


def open_relations(params: QueryDict, user: User) -> Opened:
    """Relations, memberships or comings behind a number: of the day ``on``, or of all days."""
    form, question = _asked(params)
    what, on = params.get("what", ""), _day(params.get("on", ""))
    if params.get("on") and on is None:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="on")
    lines = lines_behind(question, user=user, what=what, on=on)
    figure = [("what", what), *([("on", str(on))] if on else [])]
    query = form.query()
    pool = dict(form.fields["pool"].choices)[question.pool]
    return Opened(
        title=f"{pool} · {_when(question, what, on)} · {line_labels(question)[what]}",
        ids=lines.people(user),
        lines=lines,
        definition=lines_definition(question, what),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=f"{reverse('analytics:pool:pool')}?{query.urlencode()}",
        query=(*((name, str(value)) for name, value in query.items()), *figure),
        question=question.as_json() | {"figure": dict(figure)},
    )


def _when(question: BalanceQuestion, what: str, on: date | None) -> str:
    if on or what in ("standing", "groups"):
        return day_text(on or question.until)
    return f"{day_text(question.since)} – {day_text(question.until)}"


def _asked(params: QueryDict) -> tuple[BalanceForm, BalanceQuestion]:
    form = BalanceForm(params, today=local_day(timezone.now()))
    question = form.question()
    if question is None:
        first = next(iter(form.errors.values()))[0]
        raise FigureRefused(str(first), field=next(iter(form.errors)))
    return form, question


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


register(NAME, open_pool)
register(RELATIONS, open_relations)
