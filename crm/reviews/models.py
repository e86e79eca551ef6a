"""What a send or a post to Moments cost, and what was learned from it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.models import User
from crm.moments.models import Moment
from crm.outreach.models import MassSend

_OF_ONE_THING = Q(send__isnull=False, moment__isnull=True) | Q(
    send__isnull=True, moment__isnull=False
)


class ReviewCost(models.Model):
    """成本: one line, a sum of money or hours at a rate; ``source`` says who knows it."""

    send = models.ForeignKey(MassSend, models.CASCADE, null=True, related_name="costs")
    moment = models.ForeignKey(Moment, models.CASCADE, null=True, related_name="costs")
    label = models.CharField(_("项目"), max_length=64)
    amount_cents = models.BigIntegerField(_("金额（分）"))
    minutes = models.PositiveIntegerField(_("工时（分钟）"), null=True)
    hourly_cents = models.BigIntegerField(_("每小时（分）"), null=True)
    source = models.CharField(_("来源"), max_length=128)
    noted_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    noted_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("成本")
        verbose_name_plural = _("成本")
        ordering = ["noted_at", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_cents__gte=0), name="a_cost_is_no_income"),
            models.CheckConstraint(
                condition=Q(minutes=None, hourly_cents=None)
                | Q(minutes__isnull=False, hourly_cents__isnull=False),
                name="hours_have_a_rate",
            ),
            models.CheckConstraint(condition=_OF_ONE_THING, name="cost_is_of_one_thing"),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.amount_cents}"


class ReviewLesson(models.Model):
    """经验: what whoever plans the next one should know of this one."""

    send = models.ForeignKey(MassSend, models.CASCADE, null=True, related_name="lessons")
    moment = models.ForeignKey(Moment, models.CASCADE, null=True, related_name="lessons")
    text = models.TextField(_("内容"))
    noted_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    noted_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("经验")
        verbose_name_plural = _("经验")
        ordering = ["-noted_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=_OF_ONE_THING, name="lesson_is_of_one_thing")
        ]

    def __str__(self) -> str:
        return self.text[:32]
