"""Mass sends as pages show them: what became of everybody, by state, reason and agent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery
from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.outbox.models import OutboxItem
from crm.outbox.queries import LEVELS
from crm.outreach.models import MassBatch, MassRecipient, MassSend
from crm.shared.paging import Page, keyset_page
from crm.wecom.errors import words_for
from crm.wecom.mass_records import MassStatus

State = MassRecipient.State
SEND_LEVELS = {
    MassSend.State.WAITING: "warn",
    MassSend.State.APPROVED: "brand",
    MassSend.State.SENDING: "brand",
    MassSend.State.SENT: "good",
    MassSend.State.STOPPED: "bad",
}


@dataclass(frozen=True)
class Part:
    """How many recipients are in a state, for one reason."""

    state: str
    label: str
    reason: str
    count: int
    code: str = ""


@dataclass(frozen=True)
class Tally:
    """Recipients within the viewer's scope; the parts always add up to ``planned``."""

    planned: int
    waiting: int
    done: int
    parked: int
    skipped: int
    failed: int
    received: int
    parts: tuple[Part, ...]
    outside: int
    judged: int


@dataclass(frozen=True)
class AgentRow:
    """One batch: who was asked to send to how many, and what became of it."""

    agent: str
    size: int
    label: str
    level: str
    reason: str
    confirmed_at: Any
    reminders: int
    item_id: int | None


def send_page(user: User, *, params: Mapping[str, str]) -> Page:
    """Sends that the user may see, latest first."""
    found = MassSend.objects.for_user(user).select_related("audience", "created_by__agent")
    if (state := params.get("state", "")) in MassSend.State.values:
        found = found.filter(state=state)
    return keyset_page(found, order=("-send_at",), params=params)


def tally(send: MassSend, user: User) -> Tally:
    """What became of everybody, in one pass."""
    rows = MassRecipient.objects.for_user(user).filter(send=send)
    counted = rows.order_by().values_list("state", "reason").annotate(n=Count("pk"))
    by_part = sorted(counted, key=lambda row: (list(State.values).index(row[0]), -row[2]))
    sums = dict.fromkeys(State.values, 0)
    for state, _reason, n in by_part:
        sums[state] += n
    parts = tuple(
        Part(state, str(State(state).label), reason_words(reason), n, reason)
        for state, reason, n in by_part
    )
    received = rows.filter(result=MassStatus.SENT).count()
    reached = rows.exclude(in_scene=None).filter(batch__isnull=False)
    scene = reached.aggregate(judged=Count("pk"), outside=Count("pk", filter=Q(in_scene=False)))
    return Tally(planned=sum(sums.values()), received=received, parts=parts, **sums, **scene)


def lessons_before(send: MassSend) -> list[Any]:
    """What was learned from the send that this one goes on from, the latest first."""
    return list(send.follows.lessons.all()) if send.follows else []


def outside_lately(user: User, *, now: datetime, days: int = 30) -> tuple[int, int]:
    """Messages of the last days that reached somebody in scope: all, and those without a need."""
    rows = MassRecipient.objects.for_user(user).filter(
        state=State.DONE, send__send_at__gt=now - timedelta(days=days), send__send_at__lte=now
    )
    counts = rows.exclude(in_scene=None).aggregate(
        n=Count("pk"), outside=Count("pk", filter=Q(in_scene=False))
    )
    return counts["n"], counts["outside"]


def agent_rows(send: MassSend, user: User, *, most: int = 100) -> list[AgentRow]:
    """The batches of agents in scope, those in trouble first."""
    trouble = Q(state__in=["uncertain", "parked", "failed"])
    found = MassBatch.objects.for_user(user).filter(send=send).select_related("agent")
    call = OutboxItem.unsafe_all.filter(
        subject_type="massbatch", subject_id=OuterRef("pk"), kind__in=("mass_send", "group_post")
    )
    found = found.annotate(item_id=Subquery(call.values("pk")[:1]))
    ordered = found.annotate(bad=Count("pk", filter=trouble)).order_by("-bad", "agent", "number")
    return [
        AgentRow(
            agent=batch.agent.name,
            size=batch.size,
            label=batch.get_state_display(),
            level=LEVELS.get(batch.state, ""),
            reason=batch.reason,
            confirmed_at=batch.confirmed_at,
            reminders=batch.reminders,
            item_id=batch.item_id,
        )
        for batch in ordered[:most]
    ]


def recipient_page(send: MassSend, user: User, *, params: Mapping[str, str]) -> Page:
    """Recipients in scope, all or those in one state."""
    found = MassRecipient.objects.for_user(user).filter(send=send)
    if (state := params.get("state", "")) in State.values:
        found = found.filter(state=state)
    if params.get("scene") == "out":
        found = found.filter(in_scene=False, batch__isnull=False)
    found = found.select_related("customer", "group", "agent")
    return keyset_page(found, order=("pk",), params=params)


def reason_of(row: MassRecipient) -> str:
    """Why somebody was left out, with the gate's rule where it was one."""
    words = reason_words(row.reason)
    if not row.rule:
        return words
    return _("%(reason)s（规则 %(rule)s，版本 %(version)s）") % {
        "reason": words,
        "rule": row.rule,
        "version": row.rule_version,
    }


def reason_words(code: str) -> str:
    """A stored reason in the reader's language; numbers are error codes of WeCom."""
    if code in MassRecipient.Reason.values:
        return str(MassRecipient.Reason(code).label)
    return words_for(code) if code else ""
