"""Recurring slots and their dates."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.models import User
from crm.content.models import Material
from crm.faces.models import Face
from crm.moments.models import Moment
from crm.shared.models import TimeStamped


def corp_zone_name() -> str:
    """The zone that a new slot's time is meant in."""
    return settings.CORP_TIME_ZONE


class PostSlot(TimeStamped):
    """固定栏目: a weekly pattern in local time, and the pool that it is filled from."""

    name = models.CharField(_("名称"), max_length=32)
    face = models.ForeignKey(Face, models.PROTECT, related_name="+", verbose_name=_("人设客服"))
    weekdays = ArrayField(models.SmallIntegerField(), verbose_name=_("星期几"))  # Monday is 0.
    at = models.TimeField(_("当地时间"))
    zone = models.CharField(_("时区"), max_length=64, default=corp_zone_name)
    topic = models.CharField(_("素材主题"), max_length=32, blank=True)
    materials = models.ManyToManyField(
        Material, blank=True, related_name="+", verbose_name=_("素材")
    )
    reuse_days = models.PositiveSmallIntegerField(_("同一素材间隔天数"), default=30)
    # The pattern as it stands counts from this day on; days before it were another's.
    since = models.DateField(_("开始日期"))
    is_archived = models.BooleanField(_("已归档"), default=False)
    version = models.IntegerField(_("版本"), default=1)
    # Drafts are written in the name of whoever saved the slot last, who cannot approve them.
    kept_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("负责人"))

    class Meta:
        verbose_name = _("固定栏目")
        verbose_name_plural = _("固定栏目")
        ordering = ["is_archived", "at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(weekdays__len__gt=0), name="a_slot_has_a_day_of_the_week"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SlotDate(models.Model):
    """栏目日: one date of a slot, with the draft that was written for it, wherever that moved."""

    class Reason(models.TextChoices):
        NO_POOL = "no_pool", _("素材池里没有素材")
        UNFIT = (
            "unfit",
            _("素材池里没有能直接发朋友圈的素材（没有封面的链接、小程序、变量、敏感词或已过期）"),
        )
        RESTING = "resting", _("素材都在间隔期内")
        NO_AGENTS = "no_agents", _("人设客服没有在职员工")
        NO_FACE = "no_face", _("人设客服已归档")
        NO_TIME = "no_time", _("当天没有这个时间（调整夏令时）")
        CANCELLED = "cancelled", _("草稿已取消")
        NOT_YET = "not_yet", _("提前十四天排")

    class Standing(models.TextChoices):
        PLANNED = "planned", pgettext_lazy("slot", "已排")
        EMPTY = "empty", pgettext_lazy("slot", "空缺")
        MISSED = "missed", _("已错过")
        DONE = "done", pgettext_lazy("slot", "已发出")

    slot = models.ForeignKey(
        PostSlot, models.CASCADE, related_name="dates", verbose_name=_("固定栏目")
    )
    on = models.DateField(_("日期"))
    due_at = models.DateTimeField(_("时间"))
    moment = models.OneToOneField(
        Moment, models.PROTECT, null=True, related_name="+", verbose_name=_("朋友圈")
    )
    reason = models.CharField(_("空缺原因"), max_length=12, choices=Reason.choices, blank=True)
    # What it came to in the end: missed or done, written once.
    outcome = models.CharField(_("结果"), max_length=8, choices=Standing.choices, blank=True)
    settled_at = models.DateTimeField(_("结束时间"), null=True)

    class Meta:
        verbose_name = _("栏目日")
        verbose_name_plural = _("栏目日")
        ordering = ["due_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["slot", "on"], name="one_date_of_a_slot"),
            models.CheckConstraint(
                condition=Q(outcome__in=["", "missed", "done"]), name="a_slot_date_ends_so"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="slot_calendar"),
            models.Index(fields=["due_at"], name="slot_open", condition=Q(outcome="")),
        ]

    def __str__(self) -> str:
        return f"{self.slot_id} {self.on}"
