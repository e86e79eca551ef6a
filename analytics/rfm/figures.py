"""Opening a cell of the grid, and what layers mean in words."""

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.rfm.forms import RfmForm
from analytics.rfm.layers import (
    DEFINITION_VERSION,
    FIELDS,
    LAYERS,
    RfmQuestion,
    people,
    people_scored,
)
from analytics.rfm.words import LAYER_LABELS
from crm.agents.models import User
from crm.customers.models import Customer

NAME = "rfm"
SCORES = ("1", "2", "3", "4", "5")


def layer_labels() -> dict[str, str]:
    """Names of all layers, best first."""
    return {layer: str(label) for layer, label in LAYER_LABELS.items()}


def definition() -> str:
    """The rule behind every cell, in words."""
    return _(
        "R 是距最近一次付款的天数，F 是付款的天数，M 是付款金额（已退款的订单不算），"
        "都只看窗口之内。"
        "R 不大于界线、F 和 M 不小于界线各算一个“好”：金额好的为重要，否则为一般；近且多为价值，"
        "近而少为发展，远而多为保持，远而少为挽留。界线按全公司划定，不随查看的人变。"
        "每位客户恰好在一格，各格之和是客户总数；生命阶段按现在的。"
    )


def open_rfm(params: QueryDict, user: User) -> Opened:
    """Who stands in a cell; parameters are those of the page plus layer and stage."""
    now = timezone.now()
    form = RfmForm(params, now=now)
    question = form.question()
    if question is None:
        first = next(iter(form.errors.values()))[0]
        raise FigureRefused(str(first), field=next(iter(form.errors)))
    if "measure" in params:
        return _open_score(params, user, form, question)
    layer, stage = params.get("layer", ""), params.get("stage", "")
    if (layer and layer not in LAYERS) or (stage and stage not in Customer.Stage.values):
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="layer")
    figure = [(name, value) for name, value in (("layer", layer), ("stage", stage)) if value]
    words = [layer_labels()[layer]] if layer else []
    words += [str(Customer.Stage(stage).label)] if stage else []
    query = form.query()
    return Opened(
        title=" · ".join(words) or _("全部客户"),
        ids=people(question, user=user, layer=layer, stage=stage),
        definition=definition(),
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{reverse('analytics:rfm:grid')}?{query.urlencode()}",
        query=(*((name, str(value)) for name, value in query.items()), *figure),
        question={"rfm": question.as_json(), "figure": dict(figure)},
    )


def measures() -> dict[str, str]:
    """What is scored, in words."""
    return {"r": _("最近（R）"), "f": _("次数（F）"), "m": _("金额（M）")}


def _open_score(params: QueryDict, user: User, form: RfmForm, question: RfmQuestion) -> Opened:
    """Who has a ``score`` of 1 to 5 in a ``measure``."""
    measure, score = params["measure"], params.get("score", "")
    if measure not in FIELDS or score not in SCORES:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="measure")
    figure, query = [("measure", measure), ("score", score)], form.query()
    return Opened(
        title=f"{measures()[measure]} · {_('%(n)s 分') % {'n': score}}",
        ids=people_scored(question, user=user, field=measure, score=int(score)),
        definition=score_definition(),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=f"{reverse('analytics:rfm:grid')}?{query.urlencode()}",
        query=(*((name, str(value)) for name, value in query.items()), *figure),
        question={"rfm": question.as_json(), "figure": dict(figure)},
    )


def score_definition() -> str:
    """The rule behind a score, in words."""
    return _(
        "得分 = 1 + 五倍的（更差的人数 ÷ 付款人数）取整；数值相同的人同分，所以有的分数可能没有人。"
    )


register(NAME, open_rfm)
