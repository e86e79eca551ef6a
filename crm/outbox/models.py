"""Outbox items, the dated rules of the arbiter, its decisions and the slots of quotas."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission, Role
from crm.agents.models import User
from crm.outbox import registry
from crm.shared.models import ScopedManager, TimeStamped


class OutboxQuerySet(models.QuerySet):
    def visible_to(self, user) -> "OutboxQuerySet":
        """Items whose subject the user may see; operators see those of every subject."""
        if not user.is_authenticated or not user.can(Permission.OUTBOX_VIEW):
            return self.none()
        if user.role == Role.OPERATOR:
            return self.all()
        seen = Q(created_by=user)
        for subject_type, rows in registry.scopes().items():
            seen |= Q(subject_type=subject_type, subject_id__in=rows(user).values("pk"))
        return self.filter(seen)

    def claimable(self, now: datetime) -> "OutboxQuerySet":
        """Due, or left behind by a dispatcher that died."""
        state = OutboxItem.State
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
        return self.filter(
            Q(state=state.WAITING, due_at__lte=now)
            | Q(state__in=[state.LEASED, state.CALLING], lease_until__lt=now)
            | Q(free, state=state.UNCERTAIN, due_at__lte=now)
        ).order_by("due_at", "pk")

    def open(self) -> "OutboxQuerySet":
        """Items whose outcome is not known yet."""
        return self.exclude(state__in=OutboxItem.FINAL)


class OutboxItem(TimeStamped):
    """发送项: one outward action, named by ``key`` for ever; the same key is never queued twice."""

    class State(models.TextChoices):
        WAITING = "waiting", _("等待中")
        LEASED = "leased", _("已领取")
        CALLING = "calling", _("调用中")
        UNCERTAIN = "uncertain", _("结果存疑")
        DONE = "done", pgettext_lazy("outbox", "已完成")
        SKIPPED = "skipped", _("已跳过")
        PARKED = "parked", _("待人处理")
        FAILED = "failed", _("失败")

    FINAL = (State.DONE, State.SKIPPED, State.FAILED)

    kind = models.CharField(_("种类"), max_length=32)
    key = models.CharField(_("幂等键"), max_length=160, unique=True)
    subject_type = models.CharField(_("对象"), max_length=32)
    subject_id = models.BigIntegerField(_("对象编号"))
    title = models.CharField(_("标题"), max_length=128, blank=True)
    payload = models.JSONField(_("内容"), default=dict)
    digest = models.CharField(_("内容摘要"), max_length=64, blank=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.WAITING)
    due_at = models.DateTimeField(_("到期时间"))
    give_up_at = models.DateTimeField(_("最晚时间"), null=True, blank=True)
    is_urgent = models.BooleanField(_("加急"), default=False)
    is_patient = models.BooleanField(_("让行"), default=False)
    lease_until = models.DateTimeField(_("租约到期"), null=True, blank=True)
    fence = models.IntegerField(_("栅栏号"), default=0)
    attempts = models.IntegerField(_("调用次数"), default=0)
    errors = models.IntegerField(_("意外错误次数"), default=0)
    called_at = models.DateTimeField(_("调用时间"), null=True, blank=True)
    call_deadline = models.DateTimeField(_("调用期限"), null=True, blank=True)
    checks = models.IntegerField(_("核对次数"), default=0)
    first_checked_at = models.DateTimeField(_("首次核对"), null=True, blank=True)
    evidence = models.JSONField(_("证据"), default=dict)
    remote_id = models.CharField(_("企业微信编号"), max_length=128, blank=True)
    result = models.JSONField(_("结果"), default=dict)
    reason_code = models.CharField(_("原因代码"), max_length=32, blank=True)
    reason = models.CharField(_("原因"), max_length=512, blank=True)
    finished_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("发起人")
    )

    unsafe_all = OutboxQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("发送项")
        verbose_name_plural = _("发送项")
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=["leased", "calling"]) | Q(lease_until__isnull=False),
                name="held_items_have_a_lease",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "skipped", "failed"], finished_at__isnull=False)
                | Q(~Q(state__in=["done", "skipped", "failed"]), finished_at__isnull=True),
                name="final_items_have_an_end",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                name="outbox_due",
                condition=Q(state__in=["waiting", "leased", "calling", "uncertain"]),
            ),
            models.Index(
                fields=["due_at", "id"],
                name="outbox_urgent",
                condition=Q(state__in=["waiting", "leased", "calling", "uncertain"])
                & Q(is_urgent=True),
            ),
            models.Index(
                fields=["due_at", "id"],
                name="outbox_not_patient",
                condition=Q(state__in=["waiting", "leased", "calling", "uncertain"])
                & Q(is_patient=False),
            ),
            models.Index(
                fields=["finished_at"],
                name="outbox_finished",
                condition=Q(finished_at__isnull=False),
            ),
            models.Index(fields=["subject_type", "subject_id"], name="outbox_subject"),
            models.Index(fields=["state", "kind"], name="outbox_state"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in self.FINAL


class DatedRule(models.Model):
    """A rule that holds from an instant on; a later row replaces it, nothing is rewritten."""

    code = models.CharField(_("代码"), max_length=48)
    version = models.IntegerField(_("版本"), editable=False, default=1)
    valid_from = models.DateTimeField(_("生效时间"))
    is_off = models.BooleanField(_("停用"), default=False)
    note = models.CharField(_("说明"), max_length=255, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"

    def save(self, *args, **kwargs) -> None:
        if self.pk is None:
            self.version = type(self).objects.filter(code=self.code).count() + 1
        super().save(*args, **kwargs)

    @classmethod
    def in_force(cls, now: datetime) -> "dict[str, DatedRule]":
        """Per code the latest row that holds at ``now``, unless it switches the rule off."""
        rows = cls.objects.filter(valid_from__lte=now).order_by("code", "valid_from", "pk")
        latest = {rule.code: rule for rule in rows}
        return {code: rule for code, rule in latest.items() if not rule.is_off}


class PlatformQuota(DatedRule):
    """平台额度: at most ``limit`` per window, for each subject that the action names."""

    class Window(models.TextChoices):
        ROLLING = "rolling", _("滚动")
        DAY = "day", _("自然日")
        MONTH = "month", _("自然月")

    limit = models.PositiveIntegerField(_("上限"))
    window = models.CharField(
        _("窗口"), max_length=8, choices=Window.choices, default=Window.ROLLING
    )
    seconds = models.PositiveIntegerField(_("滚动窗口（秒）"), default=60)

    class Meta:
        ordering = ["code", "-valid_from"]
        verbose_name = _("平台额度")
        verbose_name_plural = _("平台额度")
        constraints = [
            models.UniqueConstraint(fields=["code", "valid_from"], name="quota_once_per_date")
        ]


class QuietHours(DatedRule):
    """安静时段: nothing is sent between two times of day; it waits for the end."""

    kinds = ArrayField(
        models.CharField(max_length=32),
        default=list,
        blank=True,
        verbose_name=_("适用种类"),
        help_text=_("不填就是所有主动触达；欢迎语、停止、取消和标签不等，除非写明"),
    )
    starts = models.TimeField(_("开始"))
    ends = models.TimeField(_("结束"))
    zone = models.CharField(_("时区"), max_length=64, default="Asia/Shanghai")

    class Meta:
        ordering = ["code", "-valid_from"]
        verbose_name = _("安静时段")
        verbose_name_plural = _("安静时段")
        constraints = [
            models.UniqueConstraint(fields=["code", "valid_from"], name="quiet_once_per_date")
        ]

    def clean(self) -> None:
        """An hour without length, or a kind that nothing has, is refused at its field."""
        if self.starts is not None and self.starts == self.ends:
            raise ValidationError({"ends": _("结束不能与开始相同：那样永远不会结束")})
        unknown = [kind for kind in self.kinds if registry.handler_of(kind) is None]
        if unknown:
            words = _("没有这种发送：%(unknown)s。可以写：%(known)s")
            told = {"unknown": gettext("、").join(unknown)}
            told["known"] = gettext("、").join(handler.kind for handler in registry.kinds())
            raise ValidationError({"kinds": words % told})

    def holds(self, kind: str) -> bool:
        """Whether such actions wait: those that are named, or all that disturb somebody."""
        if self.kinds:
            return kind in self.kinds
        handler = registry.handler_of(kind)
        return handler is None or handler.disturbs

    @property
    def in_words(self) -> str:
        """What exactly it says, for people."""
        handlers = [registry.handler_of(kind) for kind in self.kinds]
        named = [
            str(found.label if found else kind)
            for found, kind in zip(handlers, self.kinds, strict=True)
        ]
        about = gettext("、").join(named) or gettext("所有主动触达")
        return f"{self.starts:%H:%M}–{self.ends:%H:%M} {self.zone} · {about}"


class TouchDecision(models.Model):
    """触达裁决: what the arbiter said, by which rule in which version. Yes and no both stay."""

    item = models.ForeignKey(
        OutboxItem, models.CASCADE, related_name="decisions", verbose_name=_("发送项")
    )
    at = models.DateTimeField(_("时间"))
    is_allowed = models.BooleanField(_("放行"))
    rule = models.CharField(_("规则"), max_length=48)
    rule_version = models.IntegerField(_("规则版本"), default=0)
    retry_at = models.DateTimeField(_("顺延至"), null=True, blank=True)
    details = models.JSONField(_("细节"), default=dict)

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("触达裁决")
        verbose_name_plural = _("触达裁决")

    def __str__(self) -> str:
        return f"{self.item_id} {self.rule} v{self.rule_version}: {self.is_allowed}"


class QuotaSlot(models.Model):
    """额度槽位: one unit of a quota; the unique number is what two dispatchers cannot both take."""

    code = models.CharField(max_length=48)
    subject = models.CharField(max_length=96)
    bucket = models.CharField(max_length=16)
    n = models.PositiveIntegerField()
    cap = models.PositiveIntegerField()
    item = models.ForeignKey(OutboxItem, models.CASCADE, related_name="slots")
    taken_at = models.DateTimeField()
    free_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("额度槽位")
        verbose_name_plural = _("额度槽位")
        constraints = [
            models.UniqueConstraint(
                fields=["code", "subject", "bucket", "n"], name="slot_taken_once"
            ),
            models.CheckConstraint(
                condition=Q(n__gte=1) & Q(n__lte=F("cap")), name="slot_within_cap"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}/{self.subject}/{self.bucket} {self.n}/{self.cap}"
