"""The progress bar of a question that takes long, and its stop button."""

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_POST

from analytics.funnels.asking import Ticket, ticket_of
from crm.agents.access import Permission, Scope, requires


@requires(Permission.ANALYTICS_VIEW, scope=Scope.OWN)
@require_GET
def progress(request: HttpRequest, ticket: str) -> HttpResponse:
    """How far one's own question is."""
    done, total = _own(request, ticket).progress()
    context = {"number": ticket, "done": done, "total": total}
    return TemplateResponse(request, "analytics/funnels/_progress.html", context)


@requires(Permission.ANALYTICS_VIEW, scope=Scope.OWN)
@require_POST
def stop(request: HttpRequest, ticket: str) -> HttpResponse:
    """Stop one's own question."""
    _own(request, ticket).stop()
    return HttpResponse(status=204)


def _own(request: HttpRequest, number: str) -> Ticket:
    found = ticket_of(request.user, number)
    if found is None:
        raise Http404
    return found
