"""What the page Today holds: what needs somebody now, within that somebody's scope."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from crm.agents.access import Permission, Role
from crm.agents.models import ApiToken, AuditEntry, User
from crm.customers.queries import Waiting, waiting_people
from crm.moments.models import Moment, MomentTask
from crm.moments.queries import waiting_for
from crm.outbox.models import OutboxItem
from crm.shared.times import day_end, day_start, local_day
from crm.timeline.queries import happened, tallies

SHOWN = 8
NEWS_HOURS = 24
TOKEN_WARNING_DAYS = 30
SENSITIVE = ("customer.reveal", "customers.export", "audience.export", "token.issue")
SENSITIVE_WORDS = {
    "customer.reveal": gettext_lazy("查看完整手机号"),
    "customers.export": gettext_lazy("导出客户"),
    "audience.export": gettext_lazy("导出人群"),
    "token.issue": gettext_lazy("签发接口令牌"),
}


@dataclass(frozen=True)
class Counter:
    """One live figure of today; ``href`` lists its people."""

    label: str
    times: int
    people: int
    href: str
    definition: str


@dataclass(frozen=True)
class Event:
    """Somebody came or went."""

    key: int
    customer_id: int
    name: str
    agent: str
    channel: str
    at: datetime
    paid_cents: int
    by_agent: bool


@dataclass(frozen=True)
class Confirmation:
    """A post that agents have been given and have not published."""

    moment_id: int
    title: str
    publish_at: datetime
    agents: list[str]


@dataclass(frozen=True)
class Due:
    """What needs the user now."""

    waiting_count: int
    waiting: list[Waiting]
    approvals: list[Moment]
    confirmations: list[Confirmation]
    parked: int
    next_moment: Moment | None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.waiting_count or self.approvals or self.confirmations or self.parked)


@dataclass(frozen=True)
class SensitiveDeed:
    """A line of the audit trail that a reviewer reads."""

    at: datetime
    actor: str
    words: str
    reason: str
    customer_id: int | None
    customers: int | None


@dataclass(frozen=True)
class _Figure:
    key: str
    label: str | Promise
    definition: str | Promise
    codes: tuple[str, ...]


_FIGURES = (
    _Figure("added", gettext_lazy("新好友"), gettext_lazy("今天加为好友的次数"), ("friend_added",)),
    _Figure(
        "deleted",
        pgettext_lazy("figure", "删除"),
        gettext_lazy("今天好友关系被任一方删除的次数"),
        ("friend_deleted_by_customer", "friend_deleted_by_agent"),
    ),
    _Figure(
        "joined",
        pgettext_lazy("figure", "入群"),
        gettext_lazy("今天客户入群的次数"),
        ("group_joined",),
    ),
    _Figure(
        "left", pgettext_lazy("figure", "退群"), gettext_lazy("今天客户退群的次数"), ("group_left",)
    ),
    _Figure(
        "messages",
        gettext_lazy("客户消息"),
        gettext_lazy("今天客户发来的消息条数"),
        ("message_received",),
    ),
    _Figure("paid", gettext_lazy("付款订单"), gettext_lazy("今天付款的订单数"), ("order_paid",)),
)


def counters(user: User, *, now: datetime) -> list[Counter]:
    """Today's figures in the corporation's day, in one query; each opens its people."""
    today = local_day(now)
    found = tallies(
        user,
        {figure.key: figure.codes for figure in _FIGURES},
        since=day_start(today),
        until=day_end(today),
    )
    people = reverse("crm:customers:list")
    return [
        Counter(
            label=str(figure.label),
            times=found[figure.key].times,
            people=found[figure.key].customers,
            href=f"{people}?{'&'.join(f'event={code}' for code in figure.codes)}"
            f"&event_from={today}&event_to={today}"
            if found[figure.key].times
            else "",
            definition=str(figure.definition),
        )
        for figure in _FIGURES
    ]


def new_friends(user: User, *, now: datetime) -> list[Event]:
    """Friends of the last 24 hours, latest first."""
    return _events(user, ("friend_added",), now)


def churn_alerts(user: User, *, now: datetime) -> list[Event]:
    """Deletions of the last 24 hours, latest first."""
    return _events(user, ("friend_deleted_by_customer", "friend_deleted_by_agent"), now)


def _events(user: User, codes: tuple[str, ...], now: datetime) -> list[Event]:
    facts = happened(user, codes, since=now - timedelta(hours=NEWS_HOURS)).select_related("kind")
    return [
        Event(
            key=fact.pk,
            customer_id=fact.customer_id,
            name=fact.customer.name,
            agent=fact.agent.name if fact.agent else "",
            channel=channel.name if (channel := fact.channel or fact.customer.channel) else "",
            at=fact.at,
            paid_cents=fact.customer.paid_cents,
            by_agent=fact.kind.code == "friend_deleted_by_agent",
        )
        for fact in facts[:SHOWN]
    ]


def what_is_due(user: User, *, now: datetime) -> Due:
    """Friends without an answer, posts to approve or to publish, sends that need a person."""
    waiting_count, waiting = waiting_people(user, limit=SHOWN)
    return Due(
        waiting_count=waiting_count,
        waiting=waiting,
        approvals=_if_may(user, Permission.MOMENT_APPROVE, lambda: _approvals(user)),
        confirmations=_if_may(user, Permission.MOMENT_VIEW, lambda: _confirmations(user)),
        parked=_parked(user),
        next_moment=_next_moment(user, now),
    )


def _if_may(user: User, permission: Permission, read: Callable[[], list]) -> list:
    return read() if user.can(permission) else []


def _approvals(user: User) -> list[Moment]:
    return list(waiting_for(user).select_related("created_by__agent"))


def _confirmations(user: User) -> list[Confirmation]:
    tasks = (
        MomentTask.objects.for_user(user)
        .outstanding()
        .select_related("moment", "agent")
        .order_by("moment__publish_at", "moment_id", "agent__name_sort")
    )
    moments: dict[int, Moment] = {}
    agents: dict[int, list[str]] = {}
    for task in tasks:
        moments[task.moment_id] = task.moment
        agents.setdefault(task.moment_id, []).append(task.agent.name)
    return [
        Confirmation(pk, moment.title, moment.publish_at, agents[pk])
        for pk, moment in moments.items()
    ]


def _parked(user: User) -> int:
    if not user.can(Permission.OUTBOX_RESOLVE):
        return 0
    return OutboxItem.objects.for_user(user).filter(state=OutboxItem.State.PARKED).count()


def _next_moment(user: User, now: datetime) -> Moment | None:
    if not user.can(Permission.MOMENT_VIEW):
        return None
    planned = Moment.objects.for_user(user).planned().filter(publish_at__gt=now)
    return planned.order_by("publish_at").first()


def sensitive_deeds(user: User, *, now: datetime, days: int = 7) -> list[SensitiveDeed]:
    """Who looked at or took away customer data lately: for reviewers, and without the customer's
    address for admins."""
    entries = AuditEntry.objects.filter(action__in=SENSITIVE, at__gte=now - timedelta(days=days))
    may_open = user.role == Role.REVIEWER
    return [
        SensitiveDeed(
            at=entry.at,
            actor=entry.actor_name,
            words=str(SENSITIVE_WORDS[entry.action]),
            reason=entry.reason,
            customer_id=int(entry.object_id)
            if may_open and entry.object_type == "customer"
            else None,
            customers=entry.details.get("customers"),
        )
        for entry in entries[: 2 * SHOWN]
    ]


def expiring_tokens(*, now: datetime) -> list[ApiToken]:
    """Tokens that stop working within 30 days."""
    live = ApiToken.objects.filter(revoked_at__isnull=True, expires_at__gt=now)
    soon = live.filter(expires_at__lt=now + timedelta(days=TOKEN_WARNING_DAYS))
    return list(soon.select_related("user").order_by("expires_at")[:SHOWN])


def unlinked_logins() -> int:
    """Active logins that see nothing: agents without a WeCom member, leads without departments."""
    active = User.objects.filter(is_active=True)
    loose = active.filter(role=Role.AGENT, agent__isnull=True)
    blind = active.filter(role__in=(Role.LEAD, Role.MANAGER), departments__isnull=True)
    return loose.count() + blind.count()


def headline(due: Due) -> str:
    """The answer in words, above everything else."""
    parts = []
    if due.waiting_count:
        parts.append(_("%(n)s 位好友在等回复") % {"n": due.waiting_count})
    if due.approvals:
        parts.append(_("%(n)s 条朋友圈待您审批") % {"n": len(due.approvals)})
    if due.confirmations:
        parts.append(_("%(n)s 条朋友圈还有人没发表") % {"n": len(due.confirmations)})
    if due.parked:
        parts.append(_("%(n)s 项发送待处理") % {"n": due.parked})
    return _("，").join(parts) if parts else _("都处理完了")
