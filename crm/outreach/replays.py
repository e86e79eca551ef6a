"""A past month of sends under rules that do not hold yet: what would have been stopped, and who."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.agents.models import User
from crm.customers.models import Customer
from crm.jobs.models import Job
from crm.shared.models import ScopedManager


class Replay(models.Model):
    """重演: one month judged again by the rules that hold at ``as_of``."""

    month = models.DateField(_("月份"))
    as_of = models.DateTimeField(_("规则取自"))
    made_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("建立人")
    )
    made_at = models.DateTimeField(_("建立时间"))
    job = models.OneToOneField(Job, models.SET_NULL, null=True, related_name="+")
    touches = models.IntegerField(_("当时发出"), null=True)
    stopped = models.IntegerField(_("会被拦下"), null=True)

    class Meta:
        verbose_name = _("规则重演")
        verbose_name_plural = _("规则重演")
        ordering = ["-made_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class ReplayStopQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> "ReplayStopQuerySet":
        """Those of customers within the user's scope."""
        return self.filter(customer__in=Customer.objects.for_user(user))


class ReplayStop(models.Model):
    """重演拦下: one customer who received one send and would not have."""

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="stops", db_index=False)
    send = models.ForeignKey("crm.MassSend", models.CASCADE, related_name="+")
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+")
    rule = models.CharField(_("规则"), max_length=48)
    rule_version = models.IntegerField(_("规则版本"))
    reason = models.CharField(_("原因"), max_length=32)

    unsafe_all = ReplayStopQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("重演拦下")
        verbose_name_plural = _("重演拦下")
        ordering = ["pk"]
        indexes = [models.Index(fields=["replay", "rule", "id"], name="replay_stop_by_rule")]
        constraints = [
            models.UniqueConstraint(fields=["replay", "send", "customer"], name="stopped_once")
        ]

    def __str__(self) -> str:
        return f"{self.replay_id}: {self.customer_id} {self.rule}"
