"""Opening a place, a way or a whole path."""

from collections.abc import Mapping

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.funnels.queries import event_labels, source_for
from analytics.paths.forms import PathForm
from analytics.paths.queries import people_behind
from analytics.paths.question import DEFINITION_VERSION, ENDED, OPEN, OTHER, PathQuestion
from crm.agents.models import User
from crm.shared.times import local_day

NAME = "paths"
STEP = ">"  # Between the events of a path in an address.


def name_of(code: str, labels: Mapping[str, str]) -> str:
    """An event or an end in the reader's language."""
    ends = {
        ENDED: pgettext("path", "到此为止"),
        OPEN: pgettext("path", "还有时间"),
        OTHER: pgettext("path", "其他"),
    }
    return ends.get(code) or labels.get(code, code)


def definition_of(question: PathQuestion) -> str:
    """The rule behind every number, in words."""
    values = {"event": question.event, "window": question.as_json()["window"]}
    if question.direction == "after":
        words = _(
            "每位客户从日期范围内第一次「%(event)s」起，按时间先后看其后 %(window)s 内发生的事件；"
            "时间还没走完的算「还有时间」，其余没有后续的算「到此为止」。"
        )
    else:
        words = _(
            "每位客户从日期范围内第一次「%(event)s」起，按时间倒着看之前 %(window)s 内发生的事件；"
            "更早没有的算「到此为止」。"
        )
    repeats = "" if question.repeats else _("同一事件连续发生只算一步。")
    return words % values + repeats


def open_paths(params: QueryDict, user: User) -> Opened:
    """Who stands behind a number; parameters are those of the page plus at, on, next or path."""
    labels = event_labels()
    form = PathForm(params, today=local_day(timezone.now()), events=labels)
    question = form.question()
    if question is None:
        first = next(iter(form.errors.values()))[0]
        raise FigureRefused(str(first), field=next(iter(form.errors)))
    figure = {name: params[name] for name in ("at", "on", "next", "path") if params.get(name)}
    at = figure.get("at", "0")
    if not (at.isascii() and at.isdigit() and len(at) < 3):
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="at")
    ids = people_behind(
        question,
        user=user,
        place=int(at),
        event=figure.get("on", ""),
        following=figure.get("next", ""),
        path=tuple(figure["path"].split(STEP)) if "path" in figure else (),
    )
    query = form.query()
    return Opened(
        title=title_of(question, figure, labels),
        ids=ids,
        definition=definition_of(question),
        version=DEFINITION_VERSION,
        data_time=source_for(user).data_time,
        back=f"{reverse('analytics:paths:paths')}?{query.urlencode()}",
        query=(*((name, str(value)) for name, value in query.items()), *figure.items()),
        question=question.as_json() | {"figure": figure},
    )


def title_of(question: PathQuestion, figure: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """A number's name: the anchor, then where on the path."""
    anchor = name_of(question.event.event, labels)
    if "path" in figure:
        parts = [anchor, *(name_of(code, labels) for code in figure["path"].split(STEP))]
    else:
        parts = [
            anchor,
            *(name_of(figure[name], labels) for name in ("on", "next") if name in figure),
        ]
    arrow = " → " if question.direction == "after" else " ← "
    place = _("第 %(n)s 步") % {"n": figure["at"]} + " · " if figure.get("at", "0") != "0" else ""
    return place + arrow.join(parts)


register(NAME, open_paths)
