"""An audience looked at closely."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from analytics.figures.numbers import opening
from analytics.segments import studying
from analytics.segments.parsing import RuleRefused
from analytics.segments.telling import AUDIENCE, study_words
from crm.agents.access import Permission, Scope, requires
from crm.agents.models import User
from crm.audiences.models import Audience


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
@require_GET
def audience_study(request: HttpRequest, audience_id: int) -> HttpResponse:
    """Whom a send would reach, through whom, what is shared, whether the list comes again."""
    seen = Audience.objects.for_user(request.user).select_related("created_by__agent")
    audience = get_object_or_404(seen, pk=audience_id)
    user = request.user
    counts = studying.reach(audience, user)
    chosen = request.GET.get("with", "")
    others = studying.others(audience, user)
    other = next((one for one in others if str(one.pk) == chosen), None)
    context = {
        "audience": audience,
        "reach": [_number(audience, part, n) for part, n in counts.items()],
        "by_agent": [
            opening(AUDIENCE, n, name, audience=audience.pk, agent=pk)
            for pk, name, n in studying.agents_of(audience, user)
        ],
        "others": others,
        "other": other,
        "shared": _shared(audience, other, user) if other else None,
        "can_ask_again": audience.source == "segment",
    }
    if request.GET.get("again") == "1":
        context |= _again(audience, user)
    return TemplateResponse(request, "analytics/segments/audience.html", context)


def _number(audience: Audience, part: str, n: int, other: Audience | None = None) -> Any:
    query = {"audience": audience.pk, "part": part} | ({"with": other.pk} if other else {})
    return opening(AUDIENCE, n, study_words(part, other), **query)


def _shared(audience: Audience, other: Audience, user: User) -> list[Any]:
    found = studying.overlap(audience, other, user)
    return [
        _number(audience, part, len(found.part(part)), other) for part in ("both", "only", "other")
    ]


def _again(audience: Audience, user: User) -> dict[str, Any]:
    try:
        again = studying.ask_again(audience, user)
    except RuleRefused as refusal:
        return {"refusal": str(refusal)}
    if again is None:
        return {}
    return {
        "again": again,
        "differences": [
            _number(audience, "gone", len(again.frozen - again.found)),
            _number(audience, "new", len(again.found - again.frozen)),
        ],
    }
