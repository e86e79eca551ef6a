"""Today, and the figures of agents."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from analytics.dashboards import figures
from analytics.dashboards import today as desk
from analytics.dashboards.agents import (
    DEFAULT_RANGE,
    RANGES,
    RANKED_FROM,
    Range,
    agent_days,
    agent_figures,
    ranked,
    team_medians,
)
from analytics.dashboards.charts import friends_chart, messages_chart
from analytics.dashboards.forms import AgentFilterForm
from analytics.dashboards.tiles import card_tiles
from crm.agents.access import Permission, Role, Scope, requires
from crm.agents.models import Agent
from crm.moments.models import MomentTask
from crm.shared.formatting import digits
from crm.shared.paging import listed_page
from crm.sync.queries import sync_health


@requires(Permission.TODAY_VIEW, scope=Scope.CUSTOMER)
@require_GET
def today(request: HttpRequest) -> HttpResponse:
    """What must I do now?"""
    now = timezone.now()
    context = _live(request, now) | _work(request, now)
    return TemplateResponse(request, "analytics/dashboards/today.html", context)


@requires(Permission.TODAY_VIEW, scope=Scope.CUSTOMER)
@require_GET
def today_live(request: HttpRequest) -> HttpResponse:
    """Counters, newcomers and losses; an open page asks for them every few seconds."""
    context = _live(request, timezone.now())
    return TemplateResponse(request, "analytics/dashboards/_live.html", context)


@requires(Permission.TODAY_VIEW, scope=Scope.CUSTOMER)
@require_GET
def today_work(request: HttpRequest) -> HttpResponse:
    """What is due, as it stands now."""
    context = _work(request, timezone.now()) | {"is_refresh": True}
    return TemplateResponse(request, "analytics/dashboards/_work.html", context)


def _live(request: HttpRequest, now: datetime) -> dict[str, Any]:
    if not request.user.can(Permission.CUSTOMER_VIEW):
        return {"sees_customers": False}
    return {
        "sees_customers": True,
        "counters": desk.counters(request.user, now=now),
        "new_friends": desk.new_friends(request.user, now=now),
        "churn": desk.churn_alerts(request.user, now=now),
        "now": now,
    }


def _work(request: HttpRequest, now: datetime) -> dict[str, Any]:
    user = request.user
    own_card = user.agent_id if user.can(Permission.AGENT_CARD) else None
    context: dict[str, Any] = {"role": user.role, "own_card": own_card}
    context |= {"health": sync_health(now), "may_sync": user.can(Permission.SYNC_VIEW)}
    if user.role in (Role.REVIEWER, Role.ADMIN):
        deeds = desk.sensitive_deeds(user, now=now)
        words = ngettext("近 7 天有 %(n)s 次敏感操作", "近 7 天有 %(n)s 次敏感操作", len(deeds))
        context |= {"deeds": deeds, "headline": words % {"n": len(deeds)}}
    else:
        due = desk.what_is_due(user, now=now)
        context |= {"due": due, "headline": desk.headline(due)}
    if user.role == Role.ADMIN:
        context |= {"tokens": desk.expiring_tokens(now=now), "unlinked": desk.unlinked_logins()}
    return context


@requires(Permission.AGENTS_VIEW, scope=Scope.AGENT)
@require_GET
def agents(request: HttpRequest) -> HttpResponse:
    """Who needs help, who can teach?"""
    seen = Agent.objects.for_user(request.user).active().select_related("department")
    form = AgentFilterForm(request.GET, agents=seen)
    if chosen := form.departments():
        seen = seen.filter(department__in=chosen)
    days = _range(request)
    rows = agent_figures(seen, days)
    counted = [row.replies_at for row in rows if row.replies_at]
    page = listed_page(ranked(rows, request.GET.get("sort", "")), params=request.GET, size=100)
    page = replace(page, rows=figures.agent_rows(page.rows, days))
    context = _range_context(days) | {
        "replies_at": min(counted, default=None),
        "page": page,
        "median": team_medians(rows),
        "ranked": len(rows) >= RANKED_FROM,
        "chips": form.chips(),
        "clear_href": "?" if form.is_narrowed else "",
        "count": ngettext("%(n)s 位员工", "%(n)s 位员工", len(rows)) % {"n": digits(len(rows))},
        "lead": _finding(rows),
    }
    return TemplateResponse(request, "analytics/dashboards/agents.html", context)


@requires(Permission.AGENT_CARD, scope=Scope.AGENT)
@require_GET
def agent_card(request: HttpRequest, agent_id: int) -> HttpResponse:
    """One agent against the time before and the team. An agent opens the own card only."""
    seen = Agent.objects.for_user(request.user).select_related("department")
    agent = get_object_or_404(seen, pk=agent_id)
    days = _range(request)
    [now] = agent_figures([agent], days)
    [before] = agent_figures([agent], days.before())
    daily = agent_days(agent, days)
    context = _range_context(days) | {
        "agent": agent,
        "replies_at": now.replies_at,
        "figures": now,
        "tiles": card_tiles(now, before, _team_of(request, agent, days), days),
        "daily": figures.day_rows(
            agent, [day for day in reversed(daily) if any((day.added, day.deleted, day.received))]
        ),
        "friends_figure": friends_chart(agent, daily),
        "messages_figure": messages_chart(agent, daily),
        "outstanding": MomentTask.objects.for_user(request.user)
        .outstanding()
        .filter(agent=agent)
        .select_related("moment")
        .order_by("moment__publish_at"),
        "may_open": request.user.can(Permission.AGENTS_VIEW)
        and request.user.can(Permission.ANALYTICS_VIEW),
        "may_list": request.user.can(Permission.AGENTS_VIEW),
        "is_own": request.user.agent_id == agent.pk,
    }
    return TemplateResponse(request, "analytics/dashboards/agent.html", context)


def _team_of(request: HttpRequest, agent: Agent, days: Range):
    """Medians of the agent's department, if the viewer may see its members."""
    if not request.user.can(Permission.AGENTS_VIEW) or agent.department_id is None:
        return None
    colleagues = Agent.objects.for_user(request.user).active().select_related("department")
    return team_medians(agent_figures(colleagues.filter(department=agent.department_id), days))


def _range(request: HttpRequest) -> Range:
    asked = request.GET.get("days", "")
    length = int(asked) if asked in {str(n) for n in RANGES} else DEFAULT_RANGE
    return Range.ending_yesterday(length, now=timezone.now())


def _range_context(days: Range) -> dict[str, Any]:
    return {
        "days": days,
        "ranges": RANGES,
        "data_time": timezone.now(),
    }


def _finding(rows) -> str:
    if not rows:
        return _("没有员工")
    turns, answered = sum(row.turns for row in rows), sum(row.answered for row in rows)
    slow = [row for row in rows if row.median_wait is not None and not row.is_small]
    if len(slow) < RANKED_FROM:
        words = _("共 %(turns)s 轮客户来话，%(answered)s 轮得到回复")
        return words % {"turns": digits(turns), "answered": digits(answered)}
    fastest = min(slow, key=lambda row: row.median_wait)
    slowest = max(slow, key=lambda row: row.median_wait)
    words = _("回复最快的是 %(fast)s，最慢的是 %(slow)s；%(open)s 轮来话还没有回复")
    names = {"fast": fastest.name, "slow": slowest.name, "open": digits(turns - answered)}
    return words % names
