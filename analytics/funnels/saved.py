"""Questions under a name, and what really occurs: the builder's own small pages."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from analytics.funnels.actions import drop_question, save_question
from analytics.funnels.forms import FunnelForm
from analytics.funnels.models import SavedQuestion
from analytics.funnels.queries import event_labels, said_of
from crm.agents.access import Permission, Scope, requires
from crm.shared.errors import DomainError
from crm.shared.http import go
from crm.shared.times import local_day

PAGE = "analytics:funnels:funnel"


@requires(Permission.ANALYTICS_VIEW)
@require_POST
def save(request: HttpRequest) -> HttpResponseBase:
    """Keep the question of the page under a name."""
    now = timezone.now()
    form = FunnelForm(request.POST, today=local_day(now), events=event_labels())
    question = form.question()
    try:
        if question is not None:
            save_question(
                question=question,
                query=form.query().urlencode(),
                name=request.POST.get("name", ""),
                by=request.user,
                now=now,
            )
    except DomainError as refusal:
        form.add_error(None, str(refusal))
    if form.errors:
        context = {"form": form, "query": form.query().urlencode()}
        return TemplateResponse(request, "analytics/funnels/funnel.html", context, status=422)
    return go(request, f"{reverse(PAGE)}?{form.query().urlencode()}")


@requires(Permission.ANALYTICS_VIEW)
@require_POST
def drop(request: HttpRequest, question_id: int) -> HttpResponseBase:
    """Forget a question of one's own."""
    mine = SavedQuestion.objects.for_user(request.user).owned_by(request.user)
    saved = get_object_or_404(mine, pk=question_id)
    drop_question(saved=saved, by=request.user, now=timezone.now())
    return go(request, PAGE)


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def suggestions(request: HttpRequest) -> HttpResponse:
    """Conditions that events of this kind really meet, as options of the field beside it."""
    said = said_of(request.GET.get("steps", ""), user=request.user)
    return TemplateResponse(request, "analytics/funnels/_suggestions.html", {"said": said})
