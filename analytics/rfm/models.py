"""The cuts of the layers, where the company has set its own."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.outbox.models import DatedRule


class RfmRule(DatedRule):
    """价值分层规则: from an instant on, what counts as recent, often and much."""

    recency_days = models.PositiveSmallIntegerField(
        _("最近（天）"), help_text=_("距上次下单不超过这么多天算近")
    )
    order_days = models.PositiveSmallIntegerField(
        _("次数（天）"), help_text=_("下单天数达到这么多算多")
    )
    money_cents = models.PositiveBigIntegerField(_("金额（分）"), help_text=_("付款达到这么多算高"))

    class Meta:
        ordering = ["code", "-valid_from"]
        verbose_name = _("价值分层规则")
        verbose_name_plural = _("价值分层规则")
        constraints = [
            models.UniqueConstraint(fields=["code", "valid_from"], name="rfm_rule_once_per_date")
        ]


CODE = "rfm"
