"""The row of a long piece of work."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.access import Role
from crm.shared.models import ScopedManager, TimeStamped


class JobQuerySet(models.QuerySet):
    def unfinished(self) -> "JobQuerySet":
        return self.filter(state__in=Job.UNFINISHED)

    def visible_to(self, user) -> "JobQuerySet":
        """One's own; an admin sees that others' jobs exist (the page hides what is in them)."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        return self.all() if user.role == Role.ADMIN else self.filter(owner=user)

    def owned_by(self, user) -> "JobQuerySet":
        return self.filter(owner=user) if user.is_authenticated else self.none()


class Job(TimeStamped):
    """作业: one run of something long, with its progress and its end."""

    class Kind(models.TextChoices):
        IMPORT_CHECK = "import.check", _("检查文件")
        IMPORT = "import", _("导入文件")
        EXPORT = "export", _("导出文件")
        SYNC = "sync", _("同步企业微信")
        TAG = "tag", _("批量打标签")
        REPLAY = "replay", _("规则重演")
        ERASE = "erase", _("删除个人信息")

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("job", "等待中")
        RUNNING = "running", pgettext_lazy("job", "进行中")
        DONE = "done", pgettext_lazy("job", "已完成")
        FAILED = "failed", pgettext_lazy("job", "失败")
        CANCELLED = "cancelled", pgettext_lazy("job", "已取消")
        INTERRUPTED = "interrupted", pgettext_lazy("job", "已中断")

    class Phase(models.TextChoices):
        READING = "reading", pgettext_lazy("job", "读取")
        CHECKING = "checking", pgettext_lazy("job", "核对")
        WRITING = "writing", pgettext_lazy("job", "写入")
        REFRESHING = "refreshing", pgettext_lazy("job", "更新客户")

    UNFINISHED = (State.WAITING, State.RUNNING)

    kind = models.CharField(_("种类"), max_length=32, choices=Kind.choices)
    title = models.CharField(_("名称"), max_length=255, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="jobs",
        verbose_name=_("发起人"),
    )
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.WAITING)
    phase = models.CharField(_("阶段"), max_length=16, choices=Phase.choices, blank=True)
    done = models.BigIntegerField(_("已处理"), default=0)
    total = models.BigIntegerField(_("总数"), default=0)
    percent = models.SmallIntegerField(_("进度"), default=0)
    message = models.CharField(_("说明"), max_length=512, blank=True)
    cancel_requested = models.BooleanField(_("已请求取消"), default=False)
    started_at = models.DateTimeField(_("开始时间"), null=True, blank=True)
    finished_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("心跳"), null=True, blank=True)
    params = models.JSONField(_("参数"), default=dict)
    result = models.JSONField(_("结果"), default=dict)
    report = models.CharField(_("逐行报告"), max_length=255, blank=True)
    page = models.CharField(_("页面"), max_length=255, blank=True)

    unsafe_all = JobQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("作业")
        verbose_name_plural = _("作业")
        indexes = [
            models.Index(fields=["owner", "-id"], name="job_of_owner"),
            models.Index(
                fields=["state", "heartbeat_at"],
                name="job_unfinished",
                condition=models.Q(state__in=["waiting", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"

    @property
    def is_unfinished(self) -> bool:
        return self.state in self.UNFINISHED

    @property
    def level(self) -> str:
        """The colour of the state's badge; the word says it too."""
        return {
            self.State.RUNNING: "brand",
            self.State.DONE: "good",
            self.State.FAILED: "bad",
            self.State.INTERRUPTED: "bad",
            self.State.CANCELLED: "warn",
        }.get(self.state, "")
