"""Mass sends, their batches and recipients, and who does not want to be written to."""

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.access import Permission, Role
from crm.agents.models import Agent, User
from crm.audiences.models import Audience
from crm.content.models import Material, MaterialPicture
from crm.customers.models import Customer
from crm.gate.models import ContentKind
from crm.groups.models import Group
from crm.outreach.caps import AgentSend, ReceiveCap, SendSlot
from crm.outreach.replays import Replay, ReplayStop
from crm.shared.models import ScopedManager, TimeStamped
from crm.wecom.mass_records import MassStatus

__all__ = [
    "AgentSend",
    "MassBatch",
    "MassRecipient",
    "MassSend",
    "OptOut",
    "ReceiveCap",
    "Replay",
    "ReplayStop",
    "SendSlot",
]


class MassSendQuerySet(models.QuerySet):
    def visible_to(self, user) -> "MassSendQuerySet":
        """Operators see all; leads and managers their own and those that their agents send."""
        if not user.is_authenticated or not user.can(Permission.SEND_VIEW):
            return self.none()
        if user.role == Role.OPERATOR or user.oversees_everything:
            return self.all()
        theirs = MassBatch.unsafe_all.filter(
            send_id=OuterRef("pk"), agent__in=Agent.objects.for_user(user)
        )
        return self.filter(Q(created_by=user) | Exists(theirs))


class MassSend(TimeStamped):
    """群发: one message to an audience or into groups. Only ``approved_hash`` goes out."""

    class Target(models.TextChoices):
        CUSTOMERS = "customers", _("客户")
        GROUPS = "groups", _("客户群")

    class State(models.TextChoices):
        DRAFT = "draft", _("草稿")
        WAITING = "waiting", pgettext_lazy("mass send", "待审批")
        APPROVED = "approved", _("已审批")
        SENDING = "sending", pgettext_lazy("mass send", "发送中")
        SENT = "sent", pgettext_lazy("mass send", "已交给员工")
        STOPPED = "stopped", _("已停止")

    STILL_HERE = (State.DRAFT, State.WAITING, State.APPROVED)
    HANDED_OVER = (State.SENDING, State.SENT)

    title = models.CharField(_("名称"), max_length=64)
    target = models.CharField(
        _("发给"), max_length=12, choices=Target.choices, default=Target.CUSTOMERS
    )
    material = models.ForeignKey(
        Material, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("素材")
    )
    audience = models.ForeignKey(
        Audience, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("人群")
    )
    groups = models.ManyToManyField(Group, blank=True, related_name="+", verbose_name=_("客户群"))
    content_kind = models.CharField(
        _("内容类别"),
        max_length=12,
        choices=ContentKind.choices,
        default=ContentKind.PROMOTION,
    )
    text = models.TextField(_("文字"), blank=True)
    link_title = models.CharField(_("链接标题"), max_length=128, blank=True)
    link_url = models.CharField(_("链接地址"), max_length=2048, blank=True)
    link_description = models.CharField(_("链接描述"), max_length=512, blank=True)
    link_picture = models.CharField(_("链接封面地址"), max_length=2048, blank=True)
    picture = models.ForeignKey(
        MaterialPicture,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("图片"),
    )
    program_title = models.CharField(_("小程序标题"), max_length=128, blank=True)
    app_id = models.CharField(_("小程序 AppID"), max_length=64, blank=True)
    app_page = models.CharField(_("小程序页面"), max_length=1024, blank=True)
    may_choose = models.BooleanField(_("员工可取消部分客户"), default=False)
    control_percent = models.PositiveSmallIntegerField(_("对照组比例（%）"), default=0)
    control_salt = models.CharField(max_length=32, default="", editable=False)
    send_at = models.DateTimeField(_("发送时间"))
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.DRAFT)
    version = models.IntegerField(_("版本"), default=1)
    content_hash = models.CharField(_("内容摘要"), max_length=64)
    planned = models.IntegerField(_("计划人数"), default=0)
    follows = models.ForeignKey(
        "self", models.SET_NULL, null=True, related_name="+", verbose_name=_("接着哪次群发")
    )
    submitted_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("提交人")
    )
    submitted_at = models.DateTimeField(_("提交时间"), null=True)
    approved_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("审批人")
    )
    approved_at = models.DateTimeField(_("审批时间"), null=True)
    approved_hash = models.CharField(_("审批时摘要"), max_length=64, blank=True)
    rejection = models.CharField(_("退回原因"), max_length=255, blank=True)
    finished_at = models.DateTimeField(_("结束时间"), null=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("建立人")
    )
    updated_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("修改人")
    )

    unsafe_all = MassSendQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("群发")
        verbose_name_plural = _("群发")
        ordering = ["-send_at", "-pk"]
        indexes = [models.Index(fields=["-send_at", "-id"], name="mass_send_newest")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "sending"])
                | Q(approved_hash=models.F("content_hash")),
                name="approved_send_is_what_stands",
            ),
            models.CheckConstraint(
                condition=Q(control_percent__lte=50), name="control_at_most_half"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_to_groups(self) -> bool:
        """Whether it is posted in groups rather than sent to customers."""
        return self.target == self.Target.GROUPS


class MassBatchQuerySet(models.QuerySet):
    def visible_to(self, user) -> "MassBatchQuerySet":
        """Batches of agents within the user's scope."""
        seen = MassSend.objects.for_user(user)
        return self.filter(send__in=seen, agent__in=Agent.objects.for_user(user))

    def outstanding(self) -> "MassBatchQuerySet":
        """Handed to an agent who is there and has not pressed send."""
        return self.filter(
            state=MassBatch.State.DONE,
            msgid__isnull=False,
            confirmed_at__isnull=True,
            stopped_at__isnull=True,
            agent__status=Agent.Status.ACTIVE,
        )


class MassBatch(models.Model):
    """群发批次: what one agent gets in one call; ``msgid`` is WeCom's number of it."""

    class State(models.TextChoices):
        PLANNED = "planned", pgettext_lazy("batch", "已计划")
        QUEUED = "queued", pgettext_lazy("batch", "等待发送")
        CALLING = "calling", pgettext_lazy("batch", "发送中")
        UNCERTAIN = "uncertain", _("结果存疑")
        PARKED = "parked", _("待人处理")
        DONE = "done", pgettext_lazy("batch", "已交给员工")
        SKIPPED = "skipped", _("已跳过")
        FAILED = "failed", _("失败")

    OPEN = (State.QUEUED, State.CALLING, State.UNCERTAIN, State.PARKED)

    send = models.ForeignKey(MassSend, models.CASCADE, related_name="batches")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", verbose_name=_("员工"))
    number = models.IntegerField(_("序号"))
    size = models.IntegerField(_("人数"))
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.PLANNED)
    reason = models.CharField(_("原因"), max_length=512, blank=True)
    msgid = models.CharField(_("企业微信编号"), max_length=128, null=True, unique=True)
    accepted_at = models.DateTimeField(_("交给员工的时间"), null=True)
    confirmed_at = models.DateTimeField(_("员工发送时间"), null=True)
    stopped_at = models.DateTimeField(_("停止时间"), null=True)
    reminders = models.PositiveSmallIntegerField(_("提醒次数"), default=0)
    reminded_at = models.DateTimeField(_("最近提醒"), null=True)
    follow_at = models.DateTimeField(_("下次跟进"), null=True, db_index=True)
    followed_at = models.DateTimeField(_("最近跟进"), null=True)
    follow_error = models.CharField(_("跟进错误"), max_length=255, blank=True)

    unsafe_all = MassBatchQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("群发批次")
        verbose_name_plural = _("群发批次")
        ordering = ["agent", "number"]
        constraints = [
            models.UniqueConstraint(fields=["send", "agent", "number"], name="batch_once"),
        ]

    def __str__(self) -> str:
        return f"{self.send_id}/{self.agent_id}/{self.number}"


class MassRecipientQuerySet(models.QuerySet):
    def visible_to(self, user) -> "MassRecipientQuerySet":
        """Rows of customers and groups that the user may see, of sends that they may see."""
        return self.filter(
            Q(customer__isnull=True) | Q(customer__in=Customer.objects.for_user(user)),
            Q(group__isnull=True) | Q(group__in=Group.objects.for_user(user)),
            send__in=MassSend.objects.for_user(user),
        )


class MassRecipient(models.Model):
    """群发对象: one customer or group of one send. There is never a second row for the same one."""

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("recipient", "等待")
        DONE = "done", pgettext_lazy("recipient", "已交给员工")
        SKIPPED = "skipped", _("已跳过")
        PARKED = "parked", _("待人处理")
        FAILED = "failed", _("失败")

    class Reason(models.TextChoices):
        """Why somebody is left out. Other reasons are error codes of WeCom."""

        NOT_FRIEND = "not_friend", _("不是好友")
        NO_SENDER = "no_sender", _("没有在职员工可发")
        OPTED_OUT = "opted_out", _("不愿接收营销消息")
        CONTROL = "control", _("对照组，随机留出")
        CAP = "cap", _("接收次数已满")
        RECENT = "recent", _("近期收到过同一素材")
        OWN_CAP = "own_cap", _("自定的接收次数已满")
        NO_NEED = "no_need", _("近期没有需求信号")
        STAGE = "stage", _("所处阶段不打扰")
        IGNORED = "ignored", _("连续几次没有回应")
        RISK = "risk", _("删除风险高")
        DISMISSED = "dismissed", _("群已解散")
        UNREACHABLE = "unreachable", _("企业微信称无法送达")
        STOPPED = "stopped", _("已停止")
        CHANGED = "changed", _("内容与审批时不一致")
        NOT_APPROVED = "not_approved", _("发送时已不是已审批状态")
        TOO_LATE = "too_late", _("已过最晚时间")
        ABANDONED = "abandoned", _("经人确认没有发送")

    send = models.ForeignKey(MassSend, models.CASCADE, related_name="recipients", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, related_name="+")
    group = models.ForeignKey(Group, models.PROTECT, null=True, related_name="+")
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("员工")
    )
    batch = models.ForeignKey(MassBatch, models.CASCADE, null=True, related_name="recipients")
    state = models.CharField(_("状态"), max_length=8, choices=State.choices)
    reason = models.CharField(_("原因"), max_length=32, blank=True)
    rule = models.CharField(_("规则"), max_length=48, blank=True, default="", db_default="")
    rule_version = models.IntegerField(_("规则版本"), null=True)
    # How things stood when the plan was made; results are told by these, whatever came later.
    in_scene = models.BooleanField(_("有需求信号"), null=True)
    stage = models.CharField(_("当时的生命阶段"), max_length=16, default="", db_default="")
    layer = models.CharField(_("当时的价值层"), max_length=4, default="", db_default="")
    result = models.SmallIntegerField(_("送达"), choices=MassStatus.choices, null=True)
    sent_at = models.DateTimeField(_("送达时间"), null=True)

    unsafe_all = MassRecipientQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("群发对象")
        verbose_name_plural = _("群发对象")
        constraints = [
            models.UniqueConstraint(fields=["send", "customer"], name="customer_once_per_send"),
            models.UniqueConstraint(fields=["send", "group"], name="group_once_per_send"),
            models.CheckConstraint(
                condition=Q(customer__isnull=False, group__isnull=True)
                | Q(customer__isnull=True, group__isnull=False),
                name="recipient_is_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "done", "skipped", "parked", "failed"]),
                name="recipient_state_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["skipped", "failed"]) | ~Q(reason=""),
                name="left_out_for_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["send", "state", "id"], name="recipient_by_state")]

    def __str__(self) -> str:
        return f"{self.send_id}: {self.customer_id or self.group_id}"


class OptOutQuerySet(models.QuerySet):
    def visible_to(self, user) -> "OptOutQuerySet":
        """Those of customers whom the user may see."""
        return self.filter(customer__in=Customer.objects.for_user(user))


class OptOut(models.Model):
    """拒收: a customer who does not want marketing messages, until they want them again."""

    customer = models.OneToOneField(Customer, models.CASCADE, related_name="+")
    since = models.DateTimeField(_("拒收时间"))
    note = models.CharField(_("说明"), max_length=255, blank=True)
    recorded_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("记录人")
    )

    unsafe_all = OptOutQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("拒收营销")
        verbose_name_plural = _("拒收营销")

    def __str__(self) -> str:
        return f"{self.customer_id} {self.since:%Y-%m-%d}"
