"""How many mass messages a customer or a group may receive, as rows that cannot be exceeded.

WeCom counts all mass messages of the corporation, those that agents send of their own accord too:
as many a month as the month has days, or, as the corporation chooses, 7 a week or 1 a day. One of
ours takes a number 1…cap of its window under a unique constraint, so two dispatchers cannot both
take the last one. Those of agents are counted, not numbered: they have happened already.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection, models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent
from crm.customers.models import Customer
from crm.gate import slots
from crm.groups.models import Group
from crm.outbox.models import DatedRule
from crm.shared.times import local_day

CODE = "mass.receive"


class ReceiveCap(DatedRule):
    """接收上限: how often one customer or group is written to, from an instant on."""

    class Window(models.TextChoices):
        MONTH = "month", _("每月，当月天数")
        WEEK = "week", _("每周 7 次")
        DAY = "day", _("每天 1 次")

    window = models.CharField(_("窗口"), max_length=8, choices=Window.choices, default=Window.MONTH)
    own_limit = models.PositiveSmallIntegerField(
        _("自定上限"), null=True, blank=True, help_text=_("不填就是平台上限；只能更严")
    )

    class Meta:
        ordering = ["code", "-valid_from"]
        verbose_name = _("接收上限")
        verbose_name_plural = _("接收上限")
        constraints = [
            models.UniqueConstraint(fields=["code", "valid_from"], name="receive_cap_once_per_date")
        ]


class SendSlot(models.Model):
    """接收名额: one mass message that a customer or group receives in a window.

    ``n`` is empty for what an agent sent of their own accord (``msgid`` names it).
    """

    customer = models.ForeignKey(
        Customer, models.CASCADE, null=True, related_name="+", db_index=False
    )
    group = models.ForeignKey(Group, models.CASCADE, null=True, related_name="+", db_index=False)
    bucket = models.CharField(max_length=10)
    n = models.PositiveSmallIntegerField(null=True)
    cap = models.PositiveSmallIntegerField(null=True)
    day = models.DateField()
    recipient = models.OneToOneField(
        "crm.MassRecipient", models.CASCADE, null=True, related_name="slot"
    )
    msgid = models.CharField(max_length=128, blank=True)
    taken_at = models.DateTimeField()

    class Meta:
        verbose_name = _("接收名额")
        verbose_name_plural = _("接收名额")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "bucket", "n"], name="customer_slot_taken_once"
            ),
            models.UniqueConstraint(fields=["group", "bucket", "n"], name="group_slot_taken_once"),
            models.CheckConstraint(
                condition=Q(n__isnull=True, recipient__isnull=True)
                | Q(n__gte=1, n__lte=F("cap"), recipient__isnull=False),
                name="send_slot_within_cap",
            ),
            models.CheckConstraint(
                condition=Q(customer__isnull=False, group__isnull=True)
                | Q(customer__isnull=True, group__isnull=False),
                name="slot_is_one_receivers",
            ),
            models.UniqueConstraint(
                fields=["msgid", "customer"],
                condition=~Q(msgid="") & Q(customer__isnull=False),
                name="agent_send_counts_once",
            ),
            models.UniqueConstraint(
                fields=["msgid", "group"],
                condition=~Q(msgid="") & Q(group__isnull=False),
                name="agent_post_counts_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["customer", "day"], name="slot_customer_day", condition=Q(group=None)
            ),
            models.Index(
                fields=["group", "day"], name="slot_group_day", condition=Q(customer=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id or self.group_id}/{self.bucket} {self.n}/{self.cap}"


class AgentSend(models.Model):
    """员工自发群发: one that an agent sent without being asked; it counts in the caps."""

    msgid = models.CharField(max_length=128, unique=True)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+")
    is_to_groups = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    ask_at = models.DateTimeField(null=True, db_index=True)
    received = models.IntegerField(default=0)

    class Meta:
        verbose_name = _("员工自发群发")
        verbose_name_plural = _("员工自发群发")

    def __str__(self) -> str:
        return self.msgid


@dataclass(frozen=True)
class Window:
    """The window that an instant falls into: its name, its days, and how many it takes."""

    bucket: str
    first: date
    last: date
    cap: int
    version: int


def window_at(now: datetime) -> Window | None:
    """The window in force at ``now``; None where the corporation has switched the rule off."""
    rule = ReceiveCap.in_force(now).get(CODE)
    return _window(rule, local_day(now)) if rule else None


def _window(rule: ReceiveCap, day: date) -> Window:
    if rule.window == ReceiveCap.Window.DAY:
        name, first, last, cap = day.isoformat(), day, day, 1
    elif rule.window == ReceiveCap.Window.WEEK:
        first = day - timedelta(days=day.weekday())
        year, week, _day = day.isocalendar()
        name, last, cap = f"{year}-W{week:02}", first + timedelta(days=6), 7
    else:
        cap = monthrange(day.year, day.month)[1]
        name, first, last = f"{day:%Y-%m}", day.replace(day=1), day.replace(day=cap)
    if rule.own_limit is not None:
        cap = min(cap, rule.own_limit)
    return Window(name, first, last, cap, rule.version)


# A unit for every waiting recipient of a batch who has none: the lowest number that is free, as
# long as fewer than the cap were received in the window, agents' own sends included.
_TAKE = """
with wanted as (
    select r.id, r.customer_id, r.group_id
    from crm_massrecipient r
    where r.batch_id = %(batch)s and r.state = 'waiting'
      and not exists (select from crm_sendslot held where held.recipient_id = r.id)
), free as (
    select wanted.*, (
        select min(number) from generate_series(1, %(cap)s) as number
        where not exists (
            select from crm_sendslot s
            where s.{receiver} = wanted.{receiver} and s.bucket = %(bucket)s and s.n = number
        )
    ) as n
    from wanted
    where (
        select count(*) from crm_sendslot s
        where s.{receiver} = wanted.{receiver} and s.day between %(first)s and %(last)s
    ) < %(cap)s
), taken as (
    insert into crm_sendslot
        (customer_id, group_id, bucket, n, cap, day, recipient_id, msgid, taken_at)
    select customer_id, group_id, %(bucket)s, n, %(cap)s, %(day)s, id, '', %(now)s
    from free where n is not null
    order by {receiver}
    on conflict do nothing
    returning 1
)
select (select count(*) from free where n is not null), (select count(*) from taken)
"""

_FULL = """
update crm_massrecipient r
set state = 'skipped', reason = 'cap', rule_version = %(version)s
where r.batch_id = %(batch)s and r.state = 'waiting'
  and not exists (select from crm_sendslot held where held.recipient_id = r.id)
"""

# Taken for a call that was put off: another window counts now.
_STALE = """
delete from crm_sendslot s using crm_massrecipient r
where s.recipient_id = r.id and r.batch_id = %(batch)s
  and (s.bucket <> %(bucket)s or s.day <> %(day)s)
"""

_RELEASE = """
delete from crm_sendslot s using crm_massrecipient r
where s.recipient_id = r.id and r.batch_id = %s and r.state in ('skipped', 'failed')
"""


def reserve(batch_id: int, *, to_groups: bool, now: datetime) -> None:
    """Take a unit for every waiting recipient of a batch, in the caller's transaction.

    Whoever has no room is skipped, with the version of the rule.
    """
    window = window_at(now)
    if window is None:
        return
    values = {"batch": batch_id, "now": now, "day": local_day(now), **window.__dict__}
    take = _TAKE.format(receiver="group_id" if to_groups else "customer_id")
    with connection.cursor() as cursor:
        cursor.execute(_STALE, values)
        # Whoever lost a number to a neighbour tries the next one, at most as often as there are.
        for _round in range(window.cap + 1):
            cursor.execute(take, values)
            tried, taken = cursor.fetchone()
            if tried == taken:
                break
        cursor.execute(_FULL, values)


def release(batch_id: int) -> None:
    """Give back the units of recipients who get nothing after all, those of the gate's caps too."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, [batch_id])
    slots.release(batch_id)
