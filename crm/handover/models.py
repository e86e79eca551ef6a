"""Handovers, the transfers of customers in them, and those of groups."""

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.models import Agent, User
from crm.customers.models import Customer
from crm.groups.models import Group
from crm.outbox.models import OutboxItem
from crm.shared.models import ScopedManager, TimeStamped


class HandoverQuerySet(models.QuerySet):
    def visible_to(self, user) -> "HandoverQuerySet":
        """Those of agents whom the user may see, on the giving or on the taking side."""
        agents = Agent.objects.for_user(user)
        taking = Transfer.unsafe_all.filter(handover=OuterRef("pk"), taker__in=agents)
        return self.filter(Q(giver__in=agents) | Exists(taking))


class Handover(TimeStamped):
    """一次继承: what an agent had is given to others; in service, or after they have left."""

    giver = models.ForeignKey(
        Agent, models.PROTECT, related_name="handovers", verbose_name=_("原员工")
    )
    is_resigned = models.BooleanField(_("离职继承"), default=False)
    message = models.CharField(_("移交完成时告诉客户的话"), max_length=200, blank=True)
    customers = models.IntegerField(_("客户数"), default=0)
    follow_at = models.DateTimeField(_("下次查询"), null=True, blank=True, db_index=True)
    stopped_at = models.DateTimeField(_("停止时间"), null=True, blank=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("发起人")
    )

    unsafe_all = HandoverQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("一次继承")
        verbose_name_plural = _("一次继承")

    def __str__(self) -> str:
        return f"#{self.pk} {self.giver_id}"


class State(models.TextChoices):
    """How far a transfer is. All but the open ones are ends."""

    KEPT = "kept", pgettext_lazy("transfer", "不移交")
    PLANNED = "planned", pgettext_lazy("transfer", "已计划")
    CALLING = "calling", pgettext_lazy("transfer", "正在发起")
    WAITING = "waiting", pgettext_lazy("transfer", "等客户 24 小时")
    DONE = "done", pgettext_lazy("transfer", "已接替")
    REFUSED = "refused", pgettext_lazy("transfer", "客户拒绝")
    FULL = "full", pgettext_lazy("transfer", "接替员工已满")
    FAILED = "failed", pgettext_lazy("transfer", "未成功")


OPEN = (State.PLANNED, State.CALLING, State.WAITING)
AGAIN = (State.REFUSED, State.FULL, State.FAILED)


class TransferQuerySet(models.QuerySet):
    def latest(self) -> "TransferQuerySet":
        """One row for each customer of a handover: the last attempt."""
        return self.filter(is_latest=True)

    def open(self) -> "TransferQuerySet":
        return self.filter(state__in=OPEN)

    def visible_to(self, user) -> "TransferQuerySet":
        """Those from or to agents whom the user may see."""
        agents = Agent.objects.for_user(user)
        return self.filter(Q(giver__in=agents) | Q(taker__in=agents))


class Transfer(TimeStamped):
    """客户移交: one attempt to give one customer to one agent."""

    handover = models.ForeignKey(
        Handover, models.CASCADE, related_name="transfers", verbose_name=_("一次继承")
    )
    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="transfers", verbose_name=_("客户")
    )
    giver = models.ForeignKey(Agent, models.PROTECT, related_name="+", verbose_name=_("原员工"))
    taker = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="+", verbose_name=_("接替员工")
    )
    is_resigned = models.BooleanField(_("离职继承"), default=False)
    attempt = models.SmallIntegerField(_("第几次"), default=1)
    is_latest = models.BooleanField(default=True)
    state = models.CharField(_("状态"), max_length=8, choices=State.choices, default=State.PLANNED)
    reason_code = models.CharField(_("原因代码"), max_length=32, blank=True)
    item = models.ForeignKey(OutboxItem, models.SET_NULL, null=True, related_name="+")
    started_at = models.DateTimeField(_("发起时间"), null=True, blank=True)
    due_at = models.DateTimeField(_("最晚完成"), null=True, blank=True)
    ended_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    carried_at = models.DateTimeField(_("标签带到"), null=True, blank=True)

    unsafe_all = TransferQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("客户移交")
        verbose_name_plural = _("客户移交")
        constraints = [
            models.UniqueConstraint(
                fields=["customer"],
                condition=Q(state__in=["planned", "calling", "waiting"]),
                name="one_open_transfer_per_customer",
            ),
            models.UniqueConstraint(
                fields=["handover", "customer"],
                condition=Q(is_latest=True),
                name="one_latest_transfer_per_handover",
            ),
            models.CheckConstraint(
                condition=Q(state="kept") | Q(taker__isnull=False),
                name="somebody_takes_over_unless_kept",
            ),
        ]
        indexes = [
            models.Index(fields=["handover", "state"], name="transfer_state"),
            models.Index(fields=["customer", "started_at"], name="transfer_of_customer"),
            models.Index(
                fields=["taker"],
                condition=Q(state__in=["planned", "calling", "waiting"]),
                name="transfer_coming",
            ),
            models.Index(fields=["item"], name="transfer_item"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.giver_id} → {self.taker_id} {self.state}"


class GroupTransferQuerySet(models.QuerySet):
    def visible_to(self, user) -> "GroupTransferQuerySet":
        """Those of handovers that the user may see."""
        return self.filter(handover__in=Handover.objects.for_user(user))


class GroupTransfer(TimeStamped):
    """客户群移交: one group gets a new owner; nobody is asked, it is done at once."""

    handover = models.ForeignKey(
        Handover, models.CASCADE, related_name="group_transfers", verbose_name=_("一次继承")
    )
    group = models.ForeignKey(
        Group, models.PROTECT, related_name="transfers", verbose_name=_("客户群")
    )
    taker = models.ForeignKey(Agent, models.PROTECT, related_name="+", verbose_name=_("新群主"))
    state = models.CharField(_("状态"), max_length=8, choices=State.choices, default=State.PLANNED)
    reason_code = models.CharField(_("原因代码"), max_length=32, blank=True)
    item = models.ForeignKey(OutboxItem, models.SET_NULL, null=True, related_name="+")
    ended_at = models.DateTimeField(_("结束时间"), null=True, blank=True)

    unsafe_all = GroupTransferQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("客户群移交")
        verbose_name_plural = _("客户群移交")
        constraints = [
            models.UniqueConstraint(
                fields=["group"],
                condition=Q(state__in=["planned", "calling", "waiting"]),
                name="one_open_transfer_per_group",
            ),
        ]
        indexes = [models.Index(fields=["handover", "state"], name="group_transfer_state")]

    def __str__(self) -> str:
        return f"{self.group_id} → {self.taker_id} {self.state}"
