"""Versions of the model, and the risk of each friend as of last night."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.models import Agent
from crm.customers.models import Customer
from crm.shared.models import ScopedManager


class RiskModel(models.Model):
    """删除风险模型: one attempt to learn from our own history, and how it stood its test.

    The newest attempt counts from its date on. Where it was not trusted or was withdrawn, nothing
    older comes back: published points count.
    """

    class Verdict(models.TextChoices):
        TRUSTED = "trusted", _("经过验证，启用")
        SMALL = "small", _("记录太少，不启用")
        NO_BETTER = "no_better", _("不比平均数准，不启用")

    version = models.PositiveIntegerField(_("版本"), unique=True)
    fitted_at = models.DateTimeField(_("生效时间"), unique=True)
    verdict = models.CharField(_("结论"), max_length=12, choices=Verdict.choices)
    intercept = models.FloatField(_("截距"), null=True)
    weights = models.JSONField(_("权重"), default=list)
    base_rate = models.FloatField(_("平均可能性"), null=True)
    sample = models.JSONField(_("样本"), default=dict)
    validation = models.JSONField(_("验证"), default=dict)
    is_withdrawn = models.BooleanField(
        _("停用"), default=False, help_text=_("停用后按公布的分数，直到下一版")
    )

    class Meta:
        verbose_name = _("删除风险模型")
        verbose_name_plural = _("删除风险模型")
        ordering = ["-version"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(verdict="trusted")
                | Q(intercept__isnull=False, base_rate__isnull=False),
                name="trusted_risk_model_has_weights",
            )
        ]

    def __str__(self) -> str:
        return f"{self.version}"

    @property
    def is_in_use(self) -> bool:
        """Whether its weights may be used."""
        return self.verdict == self.Verdict.TRUSTED and not self.is_withdrawn

    @classmethod
    def newest(cls, at: datetime) -> "RiskModel | None":
        """The attempt that counts at an instant."""
        return cls.objects.filter(fitted_at__lte=at).order_by("-fitted_at").first()


class CustomerRiskQuerySet(models.QuerySet):
    def visible_to(self, user) -> "CustomerRiskQuerySet":
        """Those of customers that the user may see."""
        return self.filter(customer__in=Customer.objects.for_user(user))


class CustomerRisk(models.Model):
    """客户删除风险: what one friend would probably do after one more promotion from ``agent``."""

    class Band(models.TextChoices):
        HIGH = "high", pgettext_lazy("risk", "高")
        MID = "mid", pgettext_lazy("risk", "中")
        LOW = "low", pgettext_lazy("risk", "低")

    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True, related_name="risk")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+", verbose_name=_("员工"))
    model = models.ForeignKey(
        RiskModel, models.PROTECT, null=True, related_name="+", verbose_name=_("模型")
    )
    probability = models.FloatField(_("可能性"), null=True)
    points = models.PositiveSmallIntegerField(_("分数"))
    band = models.CharField(_("风险"), max_length=4, choices=Band.choices)
    features = ArrayField(models.FloatField(), verbose_name=_("依据"))
    as_of = models.DateTimeField(_("数据时间"))

    unsafe_all = CustomerRiskQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("客户删除风险")
        verbose_name_plural = _("客户删除风险")
        indexes = [
            models.Index(fields=["band", "customer"], name="risk_people"),
            models.Index(fields=["-as_of"], name="risk_newest"),
        ]
        constraints = [
            # A number without a model would be made up.
            models.CheckConstraint(
                condition=Q(model__isnull=True, probability__isnull=True)
                | Q(model__isnull=False, probability__gte=0, probability__lte=1),
                name="risk_comes_from_a_model",
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.band}"
