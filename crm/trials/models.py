"""Trials and what was drawn for whom."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission
from crm.agents.models import Agent, User
from crm.audiences.models import Audience
from crm.customers.models import Customer
from crm.shared.models import ScopedManager, TimeStamped

CONTROL, TREATED = 0, 1
MOST_CONTROL = 50


class TrialQuerySet(models.QuerySet):
    def visible_to(self, user) -> "TrialQuerySet":
        """A trial holds nobody by itself: whoever reads results may know of it."""
        may = user.is_authenticated and (
            user.can(Permission.ANALYTICS_VIEW) or user.can(Permission.API_FIGURES)
        )
        return self.all() if may else self.none()


class Trial(TimeStamped):
    """对照试验: a draw, its salt and its split. ``holds_until``: how long its control is kept out.

    Held out of the tag of ``audience``; empty where nobody has to be kept from a tag.
    """

    title = models.CharField(_("名称"), max_length=64, blank=True)
    salt = models.CharField(max_length=32, editable=False)
    control_percent = models.PositiveSmallIntegerField(_("对照组比例（%）"))
    audience = models.ForeignKey(
        Audience, models.PROTECT, null=True, related_name="+", verbose_name=_("人群")
    )
    drawn_at = models.DateTimeField(_("抽签时间"), null=True)
    holds_until = models.DateTimeField(_("留出到"), null=True)
    # People come one after another: how many are needed is fixed before the first.
    planned_people = models.PositiveIntegerField(_("计划人数"), null=True)
    ended_at = models.DateTimeField(_("结束时间"), null=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("建立人")
    )

    unsafe_all = TrialQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("对照试验")
        verbose_name_plural = _("对照试验")
        constraints = [
            models.CheckConstraint(
                condition=Q(control_percent__lte=MOST_CONTROL), name="trial_control_at_most_half"
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class TrialArm(models.Model):
    """试验版本: what an arm says; the control is number 0, and an empty text says nothing."""

    trial = models.ForeignKey(Trial, models.CASCADE, related_name="arms", db_index=False)
    number = models.PositiveSmallIntegerField(_("组"))
    label = models.CharField(_("名称"), max_length=32)
    text = models.TextField(_("内容"), blank=True)
    stopped_at = models.DateTimeField(_("停用时间"), null=True)

    class Meta:
        verbose_name = _("试验版本")
        verbose_name_plural = _("试验版本")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "number"], name="arm_once_in_a_trial")
        ]

    def __str__(self) -> str:
        return self.label


class AssignmentQuerySet(models.QuerySet):
    def visible_to(self, user) -> "AssignmentQuerySet":
        """Rows of customers whom the user may see."""
        return self.filter(customer__in=Customer.objects.for_user(user))

    def holding(self, audience_id: int, now: datetime) -> "AssignmentQuerySet":
        """Controls that are kept out of the tag of an audience for the time being."""
        return self.filter(
            arm=CONTROL, trial__audience=audience_id, trial__holds_until__gt=now
        )  # fmt: skip


class Assignment(models.Model):
    """分组: the arm that was drawn for a customer, with the stratum in which it was drawn."""

    trial = models.ForeignKey(Trial, models.CASCADE, related_name="assignments", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+")
    arm = models.PositiveSmallIntegerField(_("组"))
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("员工")
    )
    layer = models.CharField(_("当时的价值层"), max_length=4, default="", db_default="")
    at = models.DateTimeField(_("时间"))

    unsafe_all = AssignmentQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("分组")
        verbose_name_plural = _("分组")
        constraints = [
            models.UniqueConstraint(fields=["trial", "customer"], name="drawn_once_in_a_trial")
        ]

    def __str__(self) -> str:
        return f"{self.trial_id}: {self.customer_id} → {self.arm}"
