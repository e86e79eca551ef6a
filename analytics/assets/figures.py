"""Opening a number of the data assets: who has a value, who lacks it."""

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.assets.measuring import DEFINITION_VERSION, AssetRefused, label_of, people
from analytics.figures.registry import FigureRefused, Opened, register
from analytics.segments.models import Segment
from crm.agents.models import User
from crm.shared.http import row_number

NAME = "assets"


def definition() -> str:
    """The rule behind every number, in words."""
    return _(
        "按客户计数，一位客户一项资料至多算一次。更新时间的中位数：有值的客户里，一半是在这之后说定的；"
        "一直没有改过的值从建档算起，重复同步同样的值不算更新。近一年有动态：365 天内发生过任何事。"
    )


def segment_of(params: QueryDict, user: User) -> Segment | None:
    """The segment that is asked about, None for everybody; raises AssetRefused for an unknown."""
    named = params.get("segment", "").strip()
    if not named:
        return None
    if found := Segment.objects.for_user(user).filter(pk=row_number(named)).first():
        return found
    raise AssetRefused(_("没有这个分群，或您无权查看"), field="segment")


def open_assets(params: QueryDict, user: User) -> Opened:
    """Who has it or lacks it; parameters are those of the page plus field and state."""
    code, state = params.get("field", ""), params.get("state", "")
    if state not in ("held", "lacking"):
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="state")
    try:
        segment, label = segment_of(params, user), label_of(code)
    except AssetRefused as refusal:
        raise FigureRefused(str(refusal), field=refusal.field) from refusal
    question = [("segment", str(segment.pk))] if segment else []
    figure = [("field", code), ("state", state)]
    title = _("有：%(label)s") if state == "held" else _("缺：%(label)s")
    page = reverse("analytics:assets:assets")
    return Opened(
        title=title % {"label": label},
        ids=people(user, segment, code, held=state == "held"),
        definition=definition(),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=f"{page}?segment={segment.pk}" if segment else page,
        query=(*question, *figure),
        question={"assets": dict(question), "figure": dict(figure)},
    )


register(NAME, open_assets)
