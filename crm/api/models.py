"""Answers kept so that a repeated request has one effect."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class KeptAnswer(models.Model):
    """幂等记录: what was answered to an ``Idempotency-Key``, for 24 hours.

    The unique row is also the lock: a parallel request with the same key waits for the first one's
    transaction and then reads its answer.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(_("幂等键"), max_length=128)
    digest = models.CharField(max_length=64, editable=False)
    status = models.SmallIntegerField(_("状态码"), default=0)
    answer = models.JSONField(_("回答"), default=dict)
    at = models.DateTimeField(_("时间"), db_index=True)

    class Meta:
        verbose_name = _("幂等记录")
        verbose_name_plural = _("幂等记录")
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return f"{self.key} {self.status}"
