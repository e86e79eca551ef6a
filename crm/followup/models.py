"""Follow-ups, one row for each occurrence of a reason."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.models import Agent, User
from crm.customers.models import Customer
from crm.shared.models import ScopedManager


class FollowUpQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> "FollowUpQuerySet":
        """Those of customers and agents within the user's scope."""
        return self.filter(
            customer__in=Customer.objects.for_user(user), agent__in=Agent.objects.for_user(user)
        )

    def open(self) -> "FollowUpQuerySet":
        return self.filter(state=FollowUp.State.OPEN)


class FollowUp(models.Model):
    """跟进: one agent should turn to one customer, for one reason that happened once."""

    class Reason(models.TextChoices):
        UNANSWERED = "unanswered", _("客户在等回复")
        DEPARTURE = "departure", _("即将出发")
        FIRST_TOUCH = "first_touch", _("新好友还没打招呼")
        RETURNED = "returned", _("刚刚返程")
        NEED = "need", _("近期反复看线路")
        AFTER_ORDER = "after_order", _("下单后回访")
        BIRTHDAY = "birthday", _("生日")
        FIRST_ORDER = "first_order", _("首次下单周年")
        ANNIVERSARY = "anniversary", _("加微周年")
        QUIET = "quiet", _("许久没有联系的老客户")

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("follow-up", "待跟进")
        DONE = "done", pgettext_lazy("follow-up", "已完成")
        SKIPPED = "skipped", pgettext_lazy("follow-up", "已跳过")
        SETTLED = "settled", pgettext_lazy("follow-up", "已自行了结")

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+", db_index=False)
    reason = models.CharField(_("原因"), max_length=12, choices=Reason.choices)
    key = models.CharField(max_length=96, unique=True)
    weight = models.PositiveSmallIntegerField(_("权重"))
    evidence = models.CharField(_("依据"), max_length=128, blank=True)
    happened_at = models.DateTimeField(_("发生时间"))
    due_at = models.DateTimeField(_("应跟进时间"))
    state = models.CharField(_("状态"), max_length=8, choices=State.choices, default=State.OPEN)
    snoozed_until = models.DateTimeField(_("推迟到"), null=True)
    note = models.CharField(_("说明"), max_length=255, blank=True)
    raised_at = models.DateTimeField(_("提出时间"))
    ended_at = models.DateTimeField(_("结束时间"), null=True)
    ended_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    unsafe_all = FollowUpQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("跟进")
        verbose_name_plural = _("跟进")
        ordering = ["due_at", "pk"]
        indexes = [
            models.Index(
                fields=["agent", "due_at"], name="follow_up_open", condition=Q(state="open")
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="open", ended_at__isnull=True)
                | (~Q(state="open") & Q(ended_at__isnull=False)),
                name="ended_follow_up_has_a_time",
            )
        ]

    def __str__(self) -> str:
        return self.key
