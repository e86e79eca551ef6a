"""What was asked, by when it is due, and how it ended."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.access import Permission
from crm.agents.models import User
from crm.customers.models import Customer
from crm.jobs.models import Job
from crm.shared.models import ScopedManager
from crm.shared.times import local_day


class SubjectRequestQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> "SubjectRequestQuerySet":
        """Those of customers within the scope; whose customer is erased, those who handle them."""
        if not user.is_authenticated or not user.can(Permission.SUBJECT_HANDLE):
            return self.none()
        customers = Customer.objects.for_user(user)
        if not customers.query.where:
            return self.all()
        mine = Q(customer__isnull=True, received_by=user)
        return self.filter(mine | Q(customer__in=customers))

    def open(self) -> "SubjectRequestQuerySet":
        return self.filter(state__in=SubjectRequest.OPEN)


class SubjectRequest(models.Model):
    """个人信息请求: one wish of one person. After an erasure nothing in it names anybody."""

    class Kind(models.TextChoices):
        SHOW = "show", _("查询")
        EXPORT = "export", _("复制")
        CORRECT = "correct", _("更正")
        ERASE = "erase", _("删除")
        STOP = "stop", _("停止营销")

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("subject", "待办理")
        ASKED = "asked", pgettext_lazy("subject", "待复核")
        RUNNING = "running", pgettext_lazy("subject", "删除中")
        DONE = "done", pgettext_lazy("subject", "已办结")
        REFUSED = "refused", pgettext_lazy("subject", "未予办理")

    OPEN = (State.WAITING, State.ASKED, State.RUNNING)

    kind = models.CharField(_("请求"), max_length=8, choices=Kind.choices)
    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, related_name="+", verbose_name=_("客户")
    )
    customer_ref = models.BigIntegerField(_("客户序号"))
    state = models.CharField(_("状态"), max_length=8, choices=State.choices, default=State.WAITING)
    asked_how = models.CharField(
        _("如何提出、怎样核实本人"), max_length=255, help_text=_("例如：本人微信提出，已核对手机号")
    )
    received_at = models.DateTimeField(_("收到时间"))
    received_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("登记人")
    )
    due_on = models.DateField(_("最晚办结"))
    answer = models.CharField(_("办理说明"), max_length=255, blank=True)
    approved_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("复核人")
    )
    ended_at = models.DateTimeField(_("办结时间"), null=True)
    ended_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("办结人")
    )
    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    result = models.JSONField(_("结果"), default=dict)

    unsafe_all = SubjectRequestQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("个人信息请求")
        verbose_name_plural = _("个人信息请求")
        ordering = ["due_on", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "kind"],
                condition=Q(state__in=["waiting", "asked", "running"]),
                name="one_open_request_of_a_kind",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "refused"], ended_at__isnull=False)
                | Q(state__in=["waiting", "asked", "running"], ended_at__isnull=True),
                name="ended_request_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.customer_ref}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    def is_late(self, now: datetime) -> bool:
        """Whether it should have ended by now."""
        return self.is_open and local_day(now) > self.due_on
