"""Opening a number of the risk page."""

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.rfm.layers import LAYERS
from analytics.rfm.words import LAYER_LABELS
from analytics.risk.layers import BANDS, data_time, people
from analytics.risk.words import definition
from crm.agents.models import User
from crm.risk.models import CustomerRisk

NAME = "risk"


def title_of(layer: str, band: str) -> str:
    """A cell in words."""
    words = [str(LAYER_LABELS[layer])] if layer else []
    if band:
        words.append(_("删除风险%(band)s") % {"band": CustomerRisk.Band(band).label})
    return " · ".join(words) or _("全部好友")


def open_risk(params: QueryDict, user: User) -> Opened:
    """Who stands in a cell: ``layer``, ``band``."""
    layer, band = params.get("layer", ""), params.get("band", "")
    if (layer and layer not in LAYERS) or (band and band not in BANDS):
        raise FigureRefused(
            _("没有这个数字，请从报表页点开"), field="layer" if band in BANDS else "band"
        )
    figure = tuple((name, value) for name, value in (("layer", layer), ("band", band)) if value)
    return Opened(
        title=title_of(layer, band),
        ids=people(user=user, now=timezone.now(), layer=layer, band=band),
        definition=definition(),
        data_time=data_time(),
        back=reverse("analytics:risk:risk"),
        query=figure,
        question={"risk": dict(figure)},
    )


register(NAME, open_risk)
