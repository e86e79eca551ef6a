"""Runs of the sync and the pages that wait for the last one."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.wecom.errors import words_for


class SyncObject(models.TextChoices):
    """What is synced, in this order: members stand in departments, contacts name members."""

    DEPARTMENTS = "departments", _("部门")
    MEMBERS = "members", _("员工")
    TAGS = "tags", _("企业标签")
    CUSTOMERS = "customers", _("客户与好友关系")
    GROUPS = "groups", _("客户群")


class SyncRun(models.Model):
    """同步: one generation of one object, from its first page until it was applied."""

    class State(models.TextChoices):
        READING = "reading", _("读取中")
        DONE = "done", _("完成")
        FAILED = "failed", _("失败")

    object = models.CharField(_("对象"), max_length=16, choices=SyncObject.choices)
    state = models.CharField(_("状态"), max_length=8, choices=State.choices, default=State.READING)
    started_at = models.DateTimeField(_("开始"))
    touched_at = models.DateTimeField(_("最近进展"))
    finished_at = models.DateTimeField(_("结束"), null=True, blank=True)
    parts = models.JSONField(_("分段"), null=True)
    part = models.IntegerField(_("当前分段"), default=0)
    cursor = models.TextField(_("翻页位置"), blank=True)
    # Agents whom WeCom left out of its answer (no licence): their customers prove nothing.
    left_out = models.JSONField(_("未列出的员工"), default=list)
    pages = models.IntegerField(_("页数"), default=0)
    rows = models.IntegerField(_("行数"), default=0)
    changed = models.IntegerField(_("变更行数"), default=0)
    ended = models.IntegerField(_("消失行数"), default=0)
    error = models.CharField(_("错误"), max_length=255, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("同步")
        verbose_name_plural = _("同步")
        constraints = [
            models.UniqueConstraint(
                fields=["object"], condition=Q(state="reading"), name="one_generation_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["object", "-id"], name="sync_latest")]

    def __str__(self) -> str:
        return f"{self.object} {self.started_at:%Y-%m-%d %H:%M} {self.state}"

    @property
    def error_words(self) -> str:
        """The error in the reader's language."""
        return words_for(self.error)


class StagedPage(models.Model):
    """One page of a generation as it came, until the generation is applied."""

    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="staged", db_index=False)
    part = models.IntegerField()
    number = models.IntegerField()
    asked_at = models.DateTimeField()
    items = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "part", "number"], name="page_lands_once")
        ]
        ordering = ["part", "number"]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.part}.{self.number}"
