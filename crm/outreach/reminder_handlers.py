"""How the outbox reminds an agent of a mass send."""

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import wecom
from crm.agents.models import Agent
from crm.outbox.models import OutboxItem
from crm.outbox.registry import Demand, Done, Finding, Handler, Refusal, Unknowable, register
from crm.outreach.models import MassBatch
from crm.outreach.reminders import subject_of
from crm.outreach.rules import REMIND


def _batch(item: OutboxItem) -> MassBatch:
    return MassBatch.unsafe_all.select_related("agent").get(pk=item.subject_id)


def check(item: OutboxItem, now: datetime) -> Refusal | None:
    """Nobody is reminded of what they have done, or of what is no longer wanted."""
    batch = _batch(item)
    if batch.confirmed_at:
        return Refusal("sent", _("已发送，无需提醒"))
    if batch.stopped_at or batch.msgid is None:
        return Refusal("over", _("群发已停止"))
    if batch.agent.status != Agent.Status.ACTIVE:
        return Refusal("absent", _("员工已离职或停用"))
    return None


def demands(item: OutboxItem) -> list[Demand]:
    """At most so many a day for one message."""
    return [Demand(REMIND, (subject_of(item.subject_id),))]


def remind(item: OutboxItem) -> Done:
    """WeCom itself reminds the agent."""
    wecom.client().remind_mass_send(_batch(item).msgid)
    return Done()


def reconcile(item: OutboxItem, now: datetime) -> Finding:
    """No list tells of reminders, and one more would be one too many."""
    return Unknowable(_("提醒是否送达无从查证，不重复打扰"))


register(
    Handler(
        kind=REMIND,
        label=gettext_lazy("提醒发送群发"),
        check=check,
        demands=demands,
        call=remind,
        reconcile=reconcile,
    )
)
