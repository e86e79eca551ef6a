"""Audiences and their members."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission, Role
from crm.agents.models import User
from crm.customers.models import Customer
from crm.shared.models import ScopedManager


class AudienceQuerySet(models.QuerySet):
    def visible_to(self, user) -> "AudienceQuerySet":
        """Operators see all audiences; whoever else may save one sees their own."""
        if not user.is_authenticated or not user.can(Permission.AUDIENCE_SAVE):
            return self.none()
        return self.all() if user.role == Role.OPERATOR else self.filter(created_by=user)


class Audience(models.Model):
    """人群: a frozen list of customers, with where it came from."""

    name = models.CharField(_("名称"), max_length=128)
    description = models.CharField(_("说明"), max_length=512, blank=True)
    source = models.CharField(_("来源"), max_length=32, default="funnel")
    question = models.JSONField(_("问题"), default=dict)
    frozen_at = models.DateTimeField(_("冻结时间"))
    customer_count = models.IntegerField(_("人数"))
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("建立人")
    )

    unsafe_all = AudienceQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["-frozen_at", "-pk"]
        verbose_name = _("人群")
        verbose_name_plural = _("人群")

    def __str__(self) -> str:
        return self.name


class AudienceMember(models.Model):
    """One customer of one audience."""

    audience = models.ForeignKey(
        Audience, models.CASCADE, related_name="members", db_index=False, verbose_name=_("人群")
    )
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+")

    class Meta:
        verbose_name = _("人群成员")
        verbose_name_plural = _("人群成员")
        constraints = [
            models.UniqueConstraint(fields=["audience", "customer"], name="once_in_an_audience")
        ]

    def __str__(self) -> str:
        return f"{self.audience_id}: {self.customer_id}"
