"""Which words work? The page of a trial of variants, its file, its answer to others, its people."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.experiments.analysis import Result
from analytics.figures.numbers import Number, opening
from analytics.figures.registry import FigureRefused, Opened, register
from analytics.results.comparing import DEFINITION_VERSION
from analytics.results.looking import verdict_words
from analytics.results.outcomes import LABELS
from analytics.results.tables import interval_words, value_words
from analytics.results.variant_judging import (
    LOOKS,
    VariantJudgement,
    definition,
    judge_variants,
)
from crm.agents.access import Permission, Policy, Scope, requires
from crm.agents.actions import audit
from crm.agents.models import User
from crm.shared.formatting import digits
from crm.shared.http import row_number
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day
from crm.trials.models import Trial

FIGURE = "trial-result"


@dataclass(frozen=True)
class VariantRow:
    """One arm of one outcome."""

    label: str
    people: Number
    yes: Number
    value: str
    difference: str
    verdict: str
    level: str


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def trial_results(request: HttpRequest, trial_id: int) -> HttpResponse:
    """Variants side by side against the control."""
    found = _judged(request.user, trial_id)
    context = {
        "trial": found.trial,
        "found": found,
        "status": found.status,
        "outcomes": list(outcome_rows(found)),
        "looking": looking_words(found),
        "definition": definition(),
        "stopped": [arm for arm in found.arms if arm.stopped_at],
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, "analytics/results/trial.html", context)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_trial(request: HttpRequest, trial_id: int) -> HttpResponseBase:
    """The comparison as a file."""
    found, now = _judged(request.user, trial_id), timezone.now()
    audit(request.user, "results.export", found.trial, now=now)
    header = [
        _("结果"), _("版本"), _("人数"), _("数值"), _("对照组"), _("差"), _("差的下限"),
        _("差的上限"), _("结论"), _("第几次查看"), _("q 值"),
    ]  # fmt: skip
    kind = request.GET.get("format", "")
    name = f"trial-{found.trial.pk}-results-{local_day(now)}"
    return sheet_response(name, header, file_rows(found), kind=kind)


class TrialResultsView(APIView):
    """What the variants of a trial earned against its control."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(operation_id="trial_results", responses={200: OpenApiTypes.OBJECT, 404: None})
    def get(self, request: Request, trial_id: int) -> Response:
        """Within what the account may see."""
        return Response(_judged(request.user, trial_id).as_json())


def outcome_rows(found: VariantJudgement) -> Iterator[tuple[str, list[VariantRow]]]:
    """Every outcome with a row for each arm, the control first."""
    results = {(result.outcome, result.arm): result for result in found.report.results}
    if found.report.status == "sample_ratio":
        return
    for outcome in ("replied", "ordered", "money", "deleted"):
        rows = []
        for arm in found.arms:
            result = results.get((outcome, arm.label))
            chosen = found.found.values[outcome][found.found.arm == arm.number]
            verdict, level = _verdict(found, arm.number, result)
            rows.append(
                VariantRow(
                    label=arm.label,
                    people=_number(found, arm.number, arm.label),
                    yes=_number(found, arm.number, arm.label, outcome),
                    value=value_words(outcome, float(chosen.mean()) if len(chosen) else None),
                    difference=interval_words(result.interval, outcome != "money")
                    if result
                    else "—",
                    verdict=verdict,
                    level=level,
                )
            )
        yield str(LABELS[outcome]), rows


def _verdict(found: VariantJudgement, number: int, result: Result | None) -> tuple[str, str]:
    if found.report.status == "unproven":
        return _("未证明"), ""
    if result is None:
        return ("" if not number else _("尚早，不下结论")), ""
    return verdict_words(result, is_bad=result.outcome == "deleted")


def looking_words(found: VariantJudgement) -> str:
    """Which look this is, and what may be said."""
    told = {
        "k": found.look, "n": LOOKS, "step": digits(found.step),
        "entered": digits(found.entered), "planned": digits(found.trial.planned_people),
    }  # fmt: skip
    words = [
        _(
            "已抽签 %(entered)s 人，计划 %(planned)s 人；满 7 天的每 %(step)s 人查看一次，"
            "现在是第 %(k)s 次，共 %(n)s 次。"
        )
        % told
    ]
    if found.status == "crossed":
        words.append(_("已有版本越界，可以提前认定。"))
    elif not found.is_over:
        words.append(_("尚早，不要下结论。"))
    else:
        words.append(_("这是最后一次，结论不再变。"))
    return " ".join(words)


def file_rows(found: VariantJudgement) -> Iterator[list[object]]:
    """One line an outcome and variant; without a control the arms alone."""
    shown = {(label, row.label): row.verdict for label, rows in outcome_rows(found) for row in rows}
    for result in found.report.results:
        label, limits = str(LABELS[result.outcome]), result.interval
        yield [
            label, result.arm, result.treatment.n, result.treatment.mean, result.control.mean,
            limits.value, limits.low, limits.high, shown[label, result.arm], found.look,
            "" if result.q_value is None else result.q_value,
        ]  # fmt: skip
    for outcome, arms in found.report.alone.items():
        for name, sample in arms.items():
            label = str(LABELS[outcome])
            yield [label, name, sample.n, sample.mean, "", "", "", "", _("未证明"), "", ""]


def _number(found: VariantJudgement, arm: int, label: str, outcome: str = "") -> Number:
    query = {"trial": found.trial.pk, "arm": arm} | ({"outcome": outcome} if outcome else {})
    words = f"{label} · {LABELS[outcome]}" if outcome else label
    return opening(FIGURE, len(found.people(arm, outcome)), words, definition(), **query)


def open_variant(params: QueryDict, user: User) -> Opened:
    """People of an ``arm`` of ``trial``, all or with a yes in ``outcome``."""
    trial = _trial(user, row_number(params.get("trial")))
    arm, outcome = params.get("arm", ""), params.get("outcome", "")
    if trial is None or outcome not in ("", *LABELS):
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="trial")
    now = timezone.now()
    found = judge_variants(trial, user=user, now=now)
    labels = {str(one.number): one.label for one in found.arms}
    if arm not in labels:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="arm")
    query = {"trial": str(trial.pk), "arm": arm} | ({"outcome": outcome} if outcome else {})
    words = [trial.title, labels[arm], *([str(LABELS[outcome])] if outcome else [])]
    back = reverse("analytics:results:trial", args=[trial.pk])
    return Opened(
        title=" · ".join(words),
        ids=found.people(int(arm), outcome),
        definition=definition(),
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{back}?{urlencode({'arm': arm})}",
        query=tuple(query.items()),
        question=query,
    )


def _trial(user: User, pk: int | None) -> Trial | None:
    """A trial of variants; draws of posts and sends have pages of their own."""
    return Trial.objects.for_user(user).filter(pk=pk, planned_people__isnull=False).first()


def _judged(user: User, trial_id: int) -> VariantJudgement:
    trial = _trial(user, trial_id)
    if trial is None:
        raise Http404
    return judge_variants(trial, user=user, now=timezone.now())


register(FIGURE, open_variant)
