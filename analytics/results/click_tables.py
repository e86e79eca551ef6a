"""Links of a send as rows of pages and files, and opening who may have ordered through one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.numbers import Number, opening
from analytics.figures.registry import FigureRefused, Opened, register
from analytics.results.clicks import PLACES, LinkRow, clicks, moment_clicks
from analytics.results.comparing import DEFINITION_VERSION
from analytics.results.figures import days_from, send_from
from analytics.results.post_figures import moment_from
from crm.agents.models import User
from crm.moments.models import Moment
from crm.outreach.models import MassSend
from crm.shared.formatting import ABSENT

BUYERS, MOMENT_BUYERS = "send-link-orders", "moment-link-orders"


@dataclass(frozen=True)
class Row:
    """One link on a page; ``buyers`` None where nobody can tell."""

    link: LinkRow
    places: str
    buyers: Number | None


def click_definition(days: int) -> str:
    """What is counted of a link, and by which rule orders are."""
    return _(
        "从计划发送时间起 %(days)s 天内的打开；机器的预览不算，打开人次按设备和天分辨，认不出是谁。"
        "归因规则：计划收到的人里，在这个链接第一次被打开之后、观察期内付款的，都算作可能来自它，"
        "所以下单的人和订单是上限，同一笔订单可以出现在几个链接里。发到群里的没有名单，算不出。"
    ) % {"days": days}


def moment_click_definition(days: int) -> str:
    """What is counted of a link in a post, and by which rule orders are."""
    return _(
        "从计划发表时间起 %(days)s 天内的打开；机器的预览不算，打开人次按设备和天分辨，认不出是谁。"
        "归因规则：能看到这条朋友圈的人里，在这个链接第一次被打开之后、观察期内付款的，都算作可能来自它，"
        "所以下单的人和订单是上限，同一笔订单可以出现在几个链接里。"
    ) % {"days": days}


def click_rows(found: Sequence[LinkRow], send: MassSend, days: int) -> list[Row]:
    """Links of a send in the order of the words."""
    return _rows(found, BUYERS, click_definition(days), send=send.pk, days=days)


def moment_click_rows(found: Sequence[LinkRow], moment: Moment, days: int) -> list[Row]:
    """Links of a post in the order of the words."""
    note = moment_click_definition(days)
    return _rows(found, MOMENT_BUYERS, note, moment=moment.pk, days=days)


def _rows(found: Sequence[LinkRow], figure: str, note: str, **query: int) -> list[Row]:
    rows = []
    for one in found:
        buyers = None
        if one.buyers is not None:
            named = query | {"link": one.link.pk}
            buyers = opening(figure, len(one.buyers), one.link.title, note, **named)
        rows.append(Row(one, places_of(one), buyers))
    return rows


def places_of(row: LinkRow) -> str:
    """Where in the message a link stands."""
    words = []
    for where, number in row.places:
        place = str(PLACES[where])
        numbered = _("%(place)s第 %(n)s 个链接") % {"place": place, "n": number}
        words.append(numbered if where == "text" else place)
    return _("、").join(words)


def file_lines(found: Sequence[LinkRow]) -> Iterator[list[object]]:
    """A table of its own below another one: an empty line, a head, a line each; or nothing."""
    if not found:
        return
    yield []
    yield [
        _("短链接"), _("地址"), _("在消息里的位置"), _("打开次数"), _("打开人次（按设备和天）"),
        _("第一次打开"), _("最近打开"), _("之后下单的人（上限）"), _("之后的订单（上限）"),
        _("也用在别处"),
    ]  # fmt: skip
    for row in found:
        yield [
            row.link.title, row.address, places_of(row), row.told.opened, row.told.visitors,
            row.told.first_at, row.told.last_at,
            ABSENT if row.buyers is None else len(row.buyers),
            ABSENT if row.orders is None else row.orders, row.elsewhere,
        ]  # fmt: skip


def open_buyers(params: QueryDict, user: User) -> Opened:
    """People of ``send`` who paid after ``link`` was first opened, within ``days`` days."""
    send, days = send_from(params, user), days_from(params)
    page = reverse("analytics:results:send", args=[send.pk])
    rows, query = clicks(send, days=days, user=user), (("send", str(send.pk)),)
    return _opened(rows, params, send.title, click_definition(days), page, query, days)


def open_moment_buyers(params: QueryDict, user: User) -> Opened:
    """Those who could see ``moment`` and paid after ``link`` was first opened, within ``days``."""
    moment, days = moment_from(params, user), days_from(params)
    page = reverse("analytics:results:moment_review", args=[moment.pk])
    rows, query = moment_clicks(moment, days=days, user=user), (("moment", str(moment.pk)),)
    return _opened(rows, params, moment.title, moment_click_definition(days), page, query, days)


def _opened(
    rows: Sequence[LinkRow],
    params: QueryDict,
    title: str,
    definition: str,
    page: str,
    query: tuple[tuple[str, str], ...],
    days: int,
) -> Opened:
    named = params.get("link", "")
    found = [row for row in rows if str(row.link.pk) == named]
    if not found or found[0].buyers is None:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="link")
    query = (*query, ("days", str(days)), ("link", named))
    return Opened(
        title=" · ".join([title, found[0].link.title, _("之后下单的人（上限）")]),
        ids=found[0].buyers,
        definition=definition,
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=f"{page}?{urlencode({'days': days})}",
        query=query,
        question=dict(query),
    )


register(BUYERS, open_buyers)
register(MOMENT_BUYERS, open_moment_buyers)
