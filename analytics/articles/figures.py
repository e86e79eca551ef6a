"""Opening the numbers of an article: the people whose address it was."""

from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics.articles.reading import (
    DAYS,
    DEFAULT_DAYS,
    DEFAULT_RANGE,
    DEFINITION_VERSION,
    RANGES,
    Reading,
    articles,
    reading,
)
from analytics.figures.registry import FigureRefused, Opened, register
from crm.agents.models import User
from crm.articles.actions import END_SECONDS, READ_SECONDS
from crm.shared.http import row_number

NAME = "article-people"
LABELS: dict[str, str | Promise] = {
    "opened": gettext_lazy("打开过"),
    "read": gettext_lazy("读过"),
    "clicked": gettext_lazy("点过"),
    "ordered": gettext_lazy("之后下单"),
}


def asked(params: QueryDict) -> tuple[int, int]:
    """Days of openings and of attribution; what is not offered becomes the default."""

    def one(name: str, offered: tuple[int, ...], default: int) -> int:
        given = params.get(name, "")
        return int(given) if given in {str(days) for days in offered} else default

    return one("range", RANGES, DEFAULT_RANGE), one("days", DAYS, DEFAULT_DAYS)


def definition(range_: int, days: int) -> str:
    """What every number of the report means."""
    said = {"range": range_, "days": days, "read": READ_SECONDS, "end": END_SECONDS}
    return (
        _(
            "最近 %(range)s 天的打开，机器人、预览和预先加载不计；打开不等于人。"
            "读过：页面可见满 %(read)s 秒，或读到末尾且可见满 %(end)s 秒，"
            "只在报了阅读时长的打开里算。点过：按过按钮的打开，每个按钮每次打开计一次。"
            "知道是谁的（为一位客户做的链接）："
            "点击后 %(days)s 天内的付款，归给付款前最后点的那个按钮，每笔只归一次。"
            "不知道是谁的只有上限：下单人数不多于点过的打开；链接在群发里的，"
            "也不多于计划收到的人里同样天数内下单的人。上限不是图文带来的。区间为 95%%（Wilson）。"
        )
        % said
    )


def open_people(params: QueryDict, user: User) -> Opened:
    """Known people of ``material`` who did ``what``, of one button with version and position."""
    (range_, days), what, now = asked(params), params.get("what", ""), timezone.now()
    material = articles(user).filter(pk=row_number(params.get("material"))).first()
    if material is None or what not in LABELS:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="what")
    found = reading(material, range_=range_, days=days, user=user, now=now)
    query = {"material": str(material.pk), "range": str(range_), "days": str(days), "what": what}
    words, ids = [material.title, str(LABELS[what])], found.people[what]
    if params.get("position"):
        row_ids, place = _of_button(found, params, what)
        ids, query = row_ids, query | place
        words.append(_("位置 %(n)s") % {"n": place["position"]})
    back = reverse("analytics:articles:article", args=[material.pk])
    return Opened(
        title=" · ".join(words),
        ids=ids,
        definition=definition(range_, days),
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{back}?{urlencode({'range': range_, 'days': days})}",
        query=tuple(query.items()),
        question=query,
    )


def _of_button(found: Reading, params: QueryDict, what: str) -> tuple[list[int], dict[str, str]]:
    for row in found.positions:
        place = {"version": str(row.version), "position": str(row.position)}
        is_meant = all(params.get(name) == value for name, value in place.items())
        if is_meant and what in ("clicked", "ordered"):
            return list(row.people if what == "clicked" else row.ordered), place
    raise FigureRefused(_("没有这个数字，请从报表页点开"), field="position")


register(NAME, open_people)
