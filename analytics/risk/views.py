"""The page of the risk: how sure, who is at risk and what is at stake; and its files."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from analytics.figures.numbers import Number, opening
from analytics.risk.charts import calibration
from analytics.risk.figures import NAME, title_of
from analytics.risk.layers import BANDS, Line
from analytics.risk.queries import Answer, answer, versions
from analytics.risk.words import definition, finding, weights_said
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.risk.features import HIGH_POINTS, HIGH_TIMES, MID_POINTS, MID_TIMES
from crm.risk.models import CustomerRisk
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def risk(request: HttpRequest) -> HttpResponse:
    """Layers by band, the calibration of the newest attempt, and its weights in words."""
    found = answer(user=request.user, now=timezone.now())
    deciles = found.model.validation.get("deciles", []) if found.model else []
    context = {
        "answer": found,
        "finding": finding(found.model),
        "rows": [(line, _numbers(line)) for line in [*found.rows, found.total]],
        "heads": _heads(),
        "deciles": deciles,
        "chart": calibration(deciles) if deciles else None,
        "weights": weights_said(found.model),
        "versions": versions(),
        "definition": definition(),
        "cuts": {
            "high_points": HIGH_POINTS,
            "mid_points": MID_POINTS,
            "high_times": HIGH_TIMES,
            "mid_times": MID_TIMES,
        },
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, "analytics/risk/risk.html", context)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export(request: HttpRequest) -> HttpResponseBase:
    """The layers as a file, or with ``table=calibration`` the test of the newest attempt."""
    now = timezone.now()
    found = answer(user=request.user, now=now)
    is_test = request.GET.get("table") == "calibration"
    audit(request.user, "risk.export", now=now, table="calibration" if is_test else "layers")
    header, rows = _calibration(found) if is_test else _layers(found)
    name = f"risk-{'calibration-' if is_test else ''}{local_day(now)}"
    return sheet_response(name, header, iter(rows), kind=request.GET.get("format", ""))


def _heads() -> list[str]:
    return [str(CustomerRisk.Band(band).label) for band in BANDS]


def _numbers(line: Line) -> list[Number]:
    """A number for each band, and everybody."""
    cells = [*((band, line.bands[band]) for band in BANDS), ("", line.people)]
    found = []
    for band, n in cells:
        pairs = (("layer", line.layer), ("band", band))
        query = {name: value for name, value in pairs if value}
        found.append(opening(NAME, n, title_of(line.layer, band), definition(), **query))
    return found


def _layers(found: Answer) -> tuple[list[str], list[list[Any]]]:
    header = [_("价值层"), *_heads(), _("合计"), _("预计删除（人）"), _("一年付款（元）")]
    header += [_("高风险者一年付款（元）"), _("处于风险的价值（元）")]
    rows = []
    for line in [*found.rows, found.total]:
        stake = None if line.at_risk_cents is None else line.at_risk_cents / 100
        expected = None if line.expected is None else round(line.expected, 2)
        money = [line.paid_cents / 100, line.high_cents / 100, stake]
        rows.append([line.label, *line.bands.values(), line.people, expected, *money])
    return header, rows


def _calibration(found: Answer) -> tuple[list[str], list[list[Any]]]:
    header = [_("十分位"), _("预计"), _("实际"), _("删除"), _("发送"), _("下限"), _("上限")]
    deciles = found.model.validation.get("deciles", []) if found.model else []
    names = ("decile", "foretold", "rate", "x", "n", "low", "high")
    return header, [[row[name] for name in names] for row in deciles]
