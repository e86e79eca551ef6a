"""Runs of the sync, the pages that wait for the last one, and what a run put right."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent, User
from crm.customers.models import Customer
from crm.groups.models import Group
from crm.shared.models import ScopedManager
from crm.wecom.errors import words_for


class SyncObject(models.TextChoices):
    """What is synced, in this order: members stand in departments, contacts name members."""

    DEPARTMENTS = "departments", _("部门")
    MEMBERS = "members", _("员工")
    TAGS = "tags", _("企业标签")
    CUSTOMERS = "customers", _("客户与好友关系")
    GROUPS = "groups", _("客户群")
    MOMENTS = "moments", _("朋友圈")
    AGENT_DAYS = "agent_days", _("联系客户统计")
    OWNER_DAYS = "owner_days", _("群聊统计")


class Reconcile(models.Model):
    """对账: one round over every object that says what it put right."""

    class Trigger(models.TextChoices):
        NIGHTLY = "nightly", _("每夜")
        PERSON = "person", _("人工")
        COMMAND = "command", _("命令行")

    trigger = models.CharField(_("起因"), max_length=8, choices=Trigger.choices)
    started_at = models.DateTimeField(_("开始"))
    finished_at = models.DateTimeField(_("结束"), null=True, blank=True)
    by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("操作人")
    )
    # Customer rows whose derived columns did not follow from relations, groups and facts.
    derived = models.IntegerField(_("重算行数"), default=0)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("对账")
        verbose_name_plural = _("对账")

    def __str__(self) -> str:
        return f"{self.trigger} {self.started_at:%Y-%m-%d %H:%M}"


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
    repaired = models.IntegerField(_("修复处数"), default=0)
    # How many rows WeCom listed and how many stand here after the run, and why they differ:
    # ``[{"reason": …, "count": …, "ids": […]}]``, see ``counting``.
    remote_rows = models.IntegerField(_("企业微信行数"), null=True, blank=True)
    local_rows = models.IntegerField(_("本地行数"), null=True, blank=True)
    remains = models.JSONField(_("仍有的差异"), default=list)
    reconcile = models.ForeignKey(
        Reconcile,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="runs",
        verbose_name=_("对账"),
    )
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
        verbose_name = _("待应用的一页")
        verbose_name_plural = _("待应用的一页")
        constraints = [
            models.UniqueConstraint(fields=["run", "part", "number"], name="page_lands_once")
        ]
        ordering = ["part", "number"]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.part}.{self.number}"


class RepairQuerySet(models.QuerySet):
    def visible_to(self, user) -> "RepairQuerySet":
        """Repairs that name nobody, or customers and groups within the user's scope."""
        customers, groups = Customer.objects.for_user(user), Group.objects.for_user(user)
        named = Q(customer__isnull=True) | Q(customer__in=customers)
        return self.filter(named, Q(group__isnull=True) | Q(group__in=groups))


class Repair(models.Model):
    """修复: one difference from WeCom that no callback had told of, as it was and as it is now.

    ``wrong_since_at`` is WeCom's own time of the change where it tells one (``is_since_exact``),
    else the last complete look at which our rows were still right. Kept as long as ``KEPT``;
    names of fields and of tags only, never the words of a note.
    """

    class Kind(models.TextChoices):
        RELATION_MISSING = "relation_missing", _("好友关系漏记")
        RELATION_GONE = "relation_gone", _("好友关系已消失")
        RELATION_BACK = "relation_back", _("好友关系重新开始")
        TAGS = "tags", _("客户标签不同")
        NOTE = "note", _("备注不同")
        CATALOGUE = "catalogue", _("企业标签目录不同")
        GROUP_MISSING = "group_missing", _("客户群漏记")
        GROUP_GONE = "group_gone", _("客户群已解散")
        GROUP_OWNER = "group_owner", _("群主已变更")
        GROUP_DETAILS = "group_details", _("群资料不同")
        MEMBER_MISSING = "member_missing", _("群成员漏记")
        MEMBER_GONE = "member_gone", _("群成员已离开")
        AGENT = "agent", _("员工资料不同")

    run = models.ForeignKey(SyncRun, models.SET_NULL, null=True, related_name="repairs")
    object = models.CharField(_("对象"), max_length=16, choices=SyncObject.choices)
    kind = models.CharField(_("种类"), max_length=20, choices=Kind.choices)
    found_at = models.DateTimeField(_("发现时间"))
    wrong_since_at = models.DateTimeField(_("可能自"), null=True)
    is_since_exact = models.BooleanField(_("时间准确"), default=False)
    customer = models.ForeignKey(
        Customer, models.CASCADE, null=True, related_name="repairs", verbose_name=_("客户")
    )
    agent = models.ForeignKey(
        Agent, models.SET_NULL, null=True, related_name="+", verbose_name=_("员工")
    )
    group = models.ForeignKey(
        Group, models.CASCADE, null=True, related_name="+", verbose_name=_("客户群")
    )
    before = models.JSONField(_("修复前"), default=dict)
    after = models.JSONField(_("修复后"), default=dict)

    unsafe_all = RepairQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["-found_at", "-pk"]
        verbose_name = _("修复")
        verbose_name_plural = _("修复")
        indexes = [
            models.Index(fields=["-found_at", "-id"], name="repair_latest"),
            models.Index(fields=["run"], name="repair_run"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.found_at:%Y-%m-%d %H:%M}"
