"""A segment between two days."""

from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from analytics.figures.numbers import opening
from analytics.segments.models import Segment
from analytics.segments.over_time import PARTS, OverTime, caveat, over_time
from analytics.segments.parsing import RuleRefused, rule_from
from analytics.segments.telling import OVER_TIME, part_words
from analytics.segments.words import words_for
from crm.agents.access import Permission, Scope, requires
from crm.shared.times import local_day

DAYS_BACK = 30


class DaysForm(forms.Form):
    """Two days of the corporation; without parameters the last thirty days."""

    def __init__(self, params: Any, *, today: Any) -> None:
        given = {
            "from": params.get("from") or (today - timedelta(days=DAYS_BACK)).isoformat(),
            "to": params.get("to") or today.isoformat(),
        }
        super().__init__(given, auto_id="days_%s", use_required_attribute=False)
        for name, label in (("from", _("从这天结束时")), ("to", _("到这天结束时"))):
            day = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            self.fields[name] = forms.DateField(label=label, widget=day)


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
@require_GET
def segment_over_time(request: HttpRequest, segment_id: int) -> HttpResponse:
    """Who answered at the end of two days, who came and who went."""
    seen = Segment.objects.for_user(request.user).select_related("owner__agent")
    segment = get_object_or_404(seen, pk=segment_id)
    now = timezone.now()
    form = DaysForm(request.GET, today=local_day(now))
    tree = rule_from(segment.rule)
    context = {"segment": segment, "form": form, "words": words_for(tree, request.user)}
    if form.is_valid():
        since, until = form.cleaned_data["from"], form.cleaned_data["to"]
        try:
            found = over_time(tree, since, until, user=request.user, now=now)
        except RuleRefused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        else:
            context["rows"] = _parts(segment, found)
            context["caveat"] = caveat(tree, since)
            context["found"] = found
    status = 200 if "rows" in context else 422
    return TemplateResponse(request, "analytics/segments/over_time.html", context, status=status)


def _parts(segment: Segment, found: OverTime) -> list[Any]:
    days = {"from": found.since.isoformat(), "to": found.until.isoformat()}
    return [
        opening(
            OVER_TIME,
            len(found.part(part)),
            part_words(part),
            segment=segment.pk,
            part=part,
            **days,
        )
        for part in PARTS
    ]
