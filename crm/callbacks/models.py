"""The inbox of callbacks."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.wecom.errors import words_for


class InboxQuerySet(models.QuerySet):
    def due(self, now: datetime) -> "InboxQuerySet":
        """Waiting rows whose time has come, and leases that their holder let lapse."""
        return self.filter(
            state__in=[InboxEvent.State.WAITING, InboxEvent.State.LEASED], next_try_at__lte=now
        )


class InboxEvent(models.Model):
    """回调: one distinct message from WeCom, kept before it is answered."""

    class State(models.TextChoices):
        WAITING = "waiting", _("待处理")
        LEASED = "leased", _("处理中")
        DONE = "done", _("已处理")
        IGNORED = "ignored", _("无需处理")
        PARKED = "parked", _("已搁置")

    digest = models.BinaryField(_("摘要"), max_length=32, unique=True)
    message = models.TextField(_("原文"))
    event = models.CharField(_("事件"), max_length=64, blank=True)
    change_type = models.CharField(_("变更"), max_length=64, blank=True)
    happened_at = models.DateTimeField(_("发生时间"))
    received_at = models.DateTimeField(_("收到时间"))
    state = models.CharField(_("状态"), max_length=8, choices=State.choices, default=State.WAITING)
    # Of a leased row: when the lease lapses.
    next_try_at = models.DateTimeField(_("下次处理"))
    attempts = models.SmallIntegerField(_("尝试次数"), default=0)
    deferrals = models.IntegerField(_("推迟次数"), default=0)
    fence = models.IntegerField(_("租约号"), default=0)
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    reason = models.CharField(_("原因"), max_length=255, blank=True)

    objects = InboxQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("回调")
        verbose_name_plural = _("回调")
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="inbox_due",
                condition=Q(state__in=["waiting", "leased"]),
            ),
            models.Index(fields=["received_at"], name="inbox_received"),
        ]

    def __str__(self) -> str:
        return f"{self.event}/{self.change_type} {self.happened_at:%Y-%m-%d %H:%M:%S}"

    @property
    def reason_words(self) -> str:
        """The reason in the reader's language."""
        return words_for(self.reason)
