"""Messages, their files, who agreed, and how far we have read."""

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent, User
from crm.archive.reading import ArchivedMessageQuerySet, ArchiveManager, ArchiveReadingQuerySet
from crm.customers.models import Customer
from crm.groups.models import Group
from crm.shared.models import ScopedManager
from crm.wecom.errors import words_for


class ArchivedMessage(models.Model):
    """存档消息: one message of the archive, whole. Read it through ``objects.reading``."""

    seq = models.BigIntegerField(_("序号"), db_index=True)
    msgid = models.CharField(_("消息编号"), max_length=128, unique=True)
    action = models.CharField(_("动作"), max_length=16, blank=True)
    kind = models.CharField(_("类型"), max_length=32, blank=True)
    sender = models.CharField(_("发送人"), max_length=64, blank=True)
    receivers = ArrayField(models.CharField(max_length=64), default=list, verbose_name=_("接收人"))
    room = models.CharField(_("群编号"), max_length=64, blank=True)
    said_at = models.DateTimeField(_("时间"))
    pulled_at = models.DateTimeField(_("取回时间"))
    # The two sides of a single chat; in groups whoever spoke.
    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, related_name="+", verbose_name=_("客户")
    )
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="+", verbose_name=_("员工")
    )
    group = models.ForeignKey(
        Group, models.PROTECT, null=True, related_name="+", verbose_name=_("客户群")
    )
    by_customer = models.BooleanField(_("客户所说"), default=False)
    text = models.TextField(_("文字"), blank=True)
    content = models.JSONField(_("原文"), null=True)
    revokes = models.CharField(_("撤回了"), max_length=128, blank=True)
    revoked_at = models.DateTimeField(_("撤回时间"), null=True)
    # What could not be opened yet, as it was fetched, and why.
    sealed = models.JSONField(null=True)
    problem = models.CharField(_("问题"), max_length=255, blank=True)

    unsafe_all = ArchivedMessageQuerySet.as_manager()
    objects = ArchiveManager()

    class Meta:
        verbose_name = _("存档消息")
        verbose_name_plural = _("存档消息")
        indexes = [
            models.Index(fields=["customer", "said_at"], name="archive_of_customer"),
            models.Index(fields=["agent", "said_at"], name="archive_of_agent"),
            models.Index(fields=["said_at"], name="archive_by_time"),
            models.Index(fields=["revokes"], name="archive_revokes", condition=~Q(revokes="")),
            models.Index(fields=["seq"], name="archive_sealed", condition=Q(sealed__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class ArchivedMedia(models.Model):
    """存档文件: a file of a message, fetched slice by slice."""

    class State(models.TextChoices):
        WAITING = "waiting", _("待下载")
        DONE = "done", _("已下载")
        EXPIRED = "expired", _("已过期")
        TOO_LARGE = "too_large", _("过大")
        FAILED = "failed", _("失败")

    message = models.ForeignKey(ArchivedMessage, models.CASCADE, related_name="media")
    position = models.SmallIntegerField()
    kind = models.CharField(_("类型"), max_length=32)
    name = models.CharField(_("文件名"), max_length=255, blank=True)
    file_id = models.TextField()
    md5 = models.CharField(max_length=32, blank=True)
    size = models.BigIntegerField(_("大小"), null=True)
    state = models.CharField(_("状态"), max_length=9, choices=State.choices, default=State.WAITING)
    stored_name = models.CharField(max_length=64, unique=True)
    received = models.BigIntegerField(_("已取字节"), default=0)
    next_index = models.TextField(blank=True)
    attempts = models.SmallIntegerField(_("尝试次数"), default=0)
    next_try_at = models.DateTimeField(_("下次尝试"))
    problem = models.CharField(_("问题"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("存档文件")
        verbose_name_plural = _("存档文件")
        constraints = [
            models.UniqueConstraint(fields=["message", "position"], name="media_once_per_message")
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"], name="archive_media_due", condition=Q(state="waiting")
            )
        ]

    def __str__(self) -> str:
        return f"{self.message_id}.{self.position} {self.kind}"


class ArchiveConsent(models.Model):
    """存档同意: what a customer decided last about an agent, or about a group."""

    class Told(models.TextChoices):
        MESSAGE = "message", _("消息")
        EVENT = "event", _("回调")
        QUERY = "query", _("查询")

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="archive_consents", verbose_name=_("客户")
    )
    agent = models.ForeignKey(Agent, models.CASCADE, null=True, related_name="+")
    group = models.ForeignKey(Group, models.CASCADE, null=True, related_name="+")
    agreed = models.BooleanField(_("同意"))
    decided_at = models.DateTimeField(_("决定时间"))
    told_by = models.CharField(_("来源"), max_length=8, choices=Told.choices)

    class Meta:
        verbose_name = _("存档同意")
        verbose_name_plural = _("存档同意")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "agent"],
                name="one_consent_per_pair",
                condition=Q(group__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["customer", "group"],
                name="one_consent_per_group",
                condition=Q(agent__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(agent__isnull=True) ^ Q(group__isnull=True),
                name="consent_about_agent_or_group",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {'+' if self.agreed else '-'}"


class ArchiveProgress(models.Model):
    """存档进度: the one row that says how far the stream has been read."""

    ALARM_AFTER = timedelta(hours=1)

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField(_("读到"), default=0)
    began_at = models.DateTimeField(_("开始"))
    newest_at = models.DateTimeField(_("最新一条"), null=True)
    caught_up_at = models.DateTimeField(_("读到末尾"), null=True)
    pulled_at = models.DateTimeField(_("最近成功"), null=True)
    seconds = models.FloatField(_("用时"), null=True)
    error = models.CharField(_("错误"), max_length=255, blank=True)
    error_at = models.DateTimeField(_("出错时间"), null=True)

    class Meta:
        verbose_name = _("存档进度")
        verbose_name_plural = _("存档进度")
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_archive_progress")]

    def __str__(self) -> str:
        return f"seq {self.seq}"

    def lag(self, now: datetime) -> timedelta:
        """How far behind we are at most: since the end was reached, or since the newest message."""
        known = [at for at in (self.newest_at, self.caught_up_at) if at is not None]
        return max(now - (max(known) if known else self.began_at), timedelta())

    @property
    def error_words(self) -> str:
        """The error in the reader's language."""
        return words_for(self.error)


class ArchiveReading(models.Model):
    """查阅: what a reviewer looks for in the archive and why. Each page of it is audited anew."""

    LASTS = timedelta(minutes=30)

    reader = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("查阅人"))
    reason = models.CharField(_("查阅原因"), max_length=200)
    customer = models.ForeignKey(Customer, models.CASCADE, null=True, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, null=True, related_name="+")
    group = models.ForeignKey(Group, models.CASCADE, null=True, related_name="+")
    words = models.CharField(_("包含文字"), max_length=64, blank=True)
    first = models.DateField(_("开始日期"))
    last = models.DateField(_("结束日期"))
    began_at = models.DateTimeField(_("开始时间"))

    unsafe_all = ArchiveReadingQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("查阅")
        verbose_name_plural = _("查阅")

    def __str__(self) -> str:
        return f"{self.reader_id} {self.began_at:%Y-%m-%d %H:%M}"

    @property
    def ends_at(self) -> datetime:
        """Until when it may be read on."""
        return self.began_at + self.LASTS

    def is_over(self, now: datetime) -> bool:
        """Whether the reason has to be given again."""
        return now > self.ends_at
