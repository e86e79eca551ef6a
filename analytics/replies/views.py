"""How long do customers wait for an answer? The page and its file."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from analytics.replies import charts, tables
from analytics.replies.figures import NAME, definition
from analytics.replies.forms import RepliesFilterForm
from analytics.replies.queries import RepliesAnswer, reply_times
from analytics.replies.question import RANGES, question_from
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.agents.models import Agent
from crm.shared.errors import DomainError
from crm.shared.formatting import digits
from crm.shared.sheets import sheet_response
from crm.shared.times import corp_zone, local_day


@requires(Permission.AGENTS_VIEW, scope=Scope.AGENT)
@require_GET
def replies(request: HttpRequest) -> HttpResponse:
    """The page: the answer in words, the curve, one row an agent."""
    answer, refusal = _answer(request)
    seen = Agent.objects.for_user(request.user).active()
    form = RepliesFilterForm(request.GET, agents=seen, question=answer.question if answer else None)
    context = {
        "chips": form.chips(),
        "clear_href": "?" if set(request.GET) - {"sort"} else "",
        "refusal": refusal,
        "ranges": _ranges(answer),
    }
    if answer:
        context |= _answer_context(request, answer)
    status = 200 if answer else 422
    return TemplateResponse(request, "analytics/replies/replies.html", context, status=status)


@requires(Permission.AGENTS_VIEW, scope=Scope.AGENT, audit=True)
@require_GET
def export_replies(request: HttpRequest) -> HttpResponseBase:
    """The page's rows as a file. Who exports customers need not see how agents answer."""
    answer, refusal = _answer(request)
    if answer is None:
        context = {"refusal": refusal, "ranges": _ranges(None), "chips": []}
        return TemplateResponse(request, "analytics/replies/replies.html", context, status=422)
    now = timezone.now()
    audit(request.user, "replies.export", now=now, question=answer.question.as_json())
    kind = request.GET.get("format", "")
    name = f"replies-{local_day(now)}"
    return sheet_response(name, tables.file_header(), tables.file_rows(answer), kind=kind)


def _answer(request: HttpRequest) -> tuple[RepliesAnswer | None, str]:
    """The answer, or why there is none."""
    now = timezone.now()
    try:
        question = question_from(dict(request.GET.lists()), now=now)
        return reply_times(question, user=request.user, now=now), ""
    except DomainError as refusal:
        return None, str(refusal)


def _ranges(answer: RepliesAnswer | None) -> list[tuple[int, str, bool]]:
    """Days, the query string that asks for them, and whether they are shown."""
    yesterday = local_day(timezone.now()) - timedelta(days=1)
    found = []
    for days in RANGES:
        first = yesterday - timedelta(days=days - 1)
        asked = answer.question if answer else None
        is_shown = bool(asked and (asked.first, asked.last) == (first, yesterday))
        rest = [pair for pair in (asked.pairs() if asked else ()) if pair[0] not in ("from", "to")]
        found.append((days, urlencode([("days", days), *rest]), is_shown))
    return found


def _answer_context(request: HttpRequest, answer: RepliesAnswer) -> dict[str, Any]:
    people = reverse("analytics:figures:people", args=[NAME])
    n = len(answer.rows)
    return {
        "answer": answer,
        "finding": tables.finding(answer),
        "definition": definition(),
        "lines": tables.lines(answer, people, request.GET.get("sort", "")),
        "total": tables.line(answer.total, answer, people),
        "is_ranked": n >= tables.RANKED_FROM,
        "chart": charts.curve(answer.total),
        "curve_rows": tables.curve_rows(answer.total),
        "count": ngettext("%(n)s 位员工", "%(n)s 位员工", n) % {"n": digits(n)},
        "query": urlencode(answer.question.pairs()),
        "zone": corp_zone().key,
    }
