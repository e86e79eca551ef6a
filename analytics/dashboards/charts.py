"""Pictures on the card of an agent."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from analytics.dashboards.agents import AgentDay
from crm.agents.models import Agent
from crm.shared.bars import Series, daily_bars


def friends_chart(agent: Agent, daily: list[AgentDay]) -> dict[str, Any]:
    """Friends added above the line, deleted by either side below it."""
    added = Series(
        _("加微"), [day.added for day in daily], hrefs=_people(agent, daily, "friend_added")
    )
    deleted = Series(
        pgettext("figure", "删除"),
        [day.deleted for day in daily],
        below=True,
        hrefs=_people(agent, daily, "friend_deleted_by_customer&event=friend_deleted_by_agent"),
    )
    return daily_bars([day.on for day in daily], [added, deleted], unit=_("人"))


def messages_chart(agent: Agent, daily: list[AgentDay]) -> dict[str, Any]:
    """What customers wrote beside what the agent wrote."""
    received = Series(
        _("客户消息"),
        [day.received for day in daily],
        hrefs=_people(agent, daily, "message_received"),
    )
    sent = Series(
        _("员工消息"), [day.sent for day in daily], hrefs=_people(agent, daily, "message_sent")
    )
    return daily_bars([day.on for day in daily], [received, sent], unit=_("条"))


def _people(agent: Agent, daily: list[AgentDay], events: str) -> list[str]:
    people = f"{reverse('crm:customers:list')}?event_agent={agent.pk}&event={events}"
    return [f"{people}&event_from={day.on}&event_to={day.on}" for day in daily]
