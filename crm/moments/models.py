"""Moments, their pictures, the tasks of agents, who sees them and who reacted."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.access import Permission, Role
from crm.agents.models import Agent, Department, User
from crm.content.models import Material
from crm.customers.models import Customer, Tag
from crm.shared.models import ScopedManager, TimeStamped
from crm.trials.models import MOST_CONTROL, Trial


class MomentQuerySet(models.QuerySet):
    def visible_to(self, user) -> "MomentQuerySet":
        """Operators see all; leads and managers what involves their agents; agents their tasks."""
        if not user.is_authenticated or not user.can(Permission.MOMENT_VIEW):
            return self.none()
        if user.role == Role.OPERATOR or (
            user.role in (Role.LEAD, Role.MANAGER) and user.oversees_everything
        ):
            return self.all()
        tasks = MomentTask.unsafe_all.filter(agent__in=Agent.objects.for_user(user))
        if user.role == Role.AGENT:
            approved = self.exclude(state__in=[Moment.State.DRAFT, Moment.State.WAITING])
            return approved.filter(pk__in=tasks.values("moment_id"))
        return self.filter(Q(created_by=user) | Q(pk__in=tasks.values("moment_id")))

    def planned(self) -> "MomentQuerySet":
        """Not yet handed to WeCom."""
        state = Moment.State
        return self.filter(state__in=[state.DRAFT, state.WAITING, state.APPROVED])


class Moment(TimeStamped):
    """朋友圈: one planned post. ``content_hash`` names what is approved, and only that goes."""

    class State(models.TextChoices):
        DRAFT = "draft", _("草稿")
        WAITING = "waiting", pgettext_lazy("moment", "待审批")
        APPROVED = "approved", _("已审批")
        CREATING = "creating", _("创建中")
        CREATED = "created", pgettext_lazy("moment", "已创建")
        PUBLISHING = "publishing", _("发表中")
        DONE = "done", pgettext_lazy("moment", "已结束")
        FAILED = "failed", _("失败")
        CANCELLED = "cancelled", _("已取消")
        UNCERTAIN = "uncertain", _("结果存疑")

    FOLLOWED = (State.CREATED, State.PUBLISHING)

    title = models.CharField(_("名称"), max_length=64)
    text = models.TextField(_("正文"), blank=True)
    link_title = models.CharField(_("链接标题"), max_length=64, blank=True)
    link_url = models.URLField(_("链接地址"), max_length=1024, blank=True)
    material = models.ForeignKey(
        Material, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("素材")
    )
    everyone = models.BooleanField(_("全体员工"), default=False)
    senders = models.ManyToManyField(
        Agent, blank=True, related_name="+", verbose_name=_("发表员工")
    )
    sender_departments = models.ManyToManyField(
        Department, blank=True, related_name="+", verbose_name=_("发表部门")
    )
    tags = models.ManyToManyField(Tag, blank=True, related_name="+", verbose_name=_("客户标签"))
    control_percent = models.PositiveSmallIntegerField(
        _("对照组比例（%）"), default=0, db_default=0
    )
    trial = models.OneToOneField(
        Trial, models.PROTECT, null=True, related_name="moment", verbose_name=_("对照试验")
    )
    publish_at = models.DateTimeField(_("发表时间"))
    publish_wall = models.CharField(_("当地时间"), max_length=16)
    zone = models.CharField(_("时区"), max_length=64, default="Asia/Shanghai")
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.DRAFT)
    version = models.IntegerField(_("版本"), default=1)
    run = models.IntegerField(_("第几次发送"), default=1)
    content_hash = models.CharField(_("内容摘要"), max_length=64)
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
    failure_code = models.CharField(_("失败代码"), max_length=32, blank=True)
    failure = models.CharField(_("失败原因"), max_length=512, blank=True)
    wecom_job_id = models.CharField(_("任务编号"), max_length=64, blank=True)
    wecom_moment_id = models.CharField(
        _("朋友圈编号"), max_length=64, null=True, blank=True, unique=True
    )
    remote_since = models.DateTimeField(_("创建时间"), null=True)
    follow_at = models.DateTimeField(_("下次跟进"), null=True, db_index=True)
    followed_at = models.DateTimeField(_("最近跟进"), null=True)
    follow_error = models.CharField(_("跟进错误"), max_length=255, blank=True)
    planned_customers = models.IntegerField(_("计划可见"), default=0)
    follows = models.ForeignKey(
        "self", models.SET_NULL, null=True, related_name="+", verbose_name=_("接着哪条朋友圈")
    )
    finished_at = models.DateTimeField(_("结束时间"), null=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("建立人")
    )
    updated_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("修改人")
    )

    unsafe_all = MomentQuerySet.as_manager()
    objects = ScopedManager()

    # What the gate's rules said when it was submitted, and again when it was handed over.
    gate = models.JSONField(_("触达规则的判断"), default=list, editable=False)

    class Meta:
        verbose_name = _("朋友圈")
        verbose_name_plural = _("朋友圈")
        ordering = ["publish_at", "pk"]
        indexes = [models.Index(fields=["publish_at", "id"], name="moment_calendar")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="approved") | Q(approved_hash=models.F("content_hash")),
                name="approved_is_what_stands",
            ),
            models.CheckConstraint(
                condition=Q(control_percent__lte=MOST_CONTROL), name="moment_control_at_most_half"
            ),
        ]

    def __str__(self) -> str:
        return self.title


def image_path(image: "MomentImage", _name: str) -> str:
    """Our own name under MEDIA_ROOT; the uploader's file name is never used."""
    return f"moments/{image.pk.hex[:2]}/{image.pk.hex}.{image.extension}"


class MomentImageQuerySet(models.QuerySet):
    def visible_to(self, user) -> "MomentImageQuerySet":
        """Own uploads, and pictures of moments that the user may see."""
        return self.filter(Q(uploaded_by=user) | Q(moment__in=Moment.objects.for_user(user)))


class MomentImage(models.Model):
    """配图: a picture as we re-encoded it; ``media_id`` is WeCom's, good for three days."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    moment = models.ForeignKey(Moment, models.CASCADE, null=True, related_name="images")
    is_cover = models.BooleanField(_("链接封面"), default=False)
    position = models.PositiveSmallIntegerField(_("次序"), default=0)
    file = models.FileField(upload_to=image_path)
    extension = models.CharField(max_length=4)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    media_id = models.CharField(max_length=256, blank=True)
    media_at = models.DateTimeField(null=True)
    uploaded_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    uploaded_at = models.DateTimeField(auto_now_add=True)

    unsafe_all = MomentImageQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["is_cover", "position", "uploaded_at"]
        verbose_name = _("配图")
        verbose_name_plural = _("配图")

    def __str__(self) -> str:
        return f"{self.width}×{self.height} {self.sha256[:8]}"


class MomentTaskQuerySet(models.QuerySet):
    def visible_to(self, user) -> "MomentTaskQuerySet":
        """Tasks of agents within the user's scope."""
        return self.filter(agent__in=Agent.objects.for_user(user))

    def outstanding(self) -> "MomentTaskQuerySet":
        """The agent has the task and has not pressed publish."""
        return self.filter(is_published=False, is_invalid=False, moment__state__in=Moment.FOLLOWED)


class MomentTask(models.Model):
    """发表任务: one agent's part of a moment. ``is_invalid``: WeCom would not give it to them."""

    moment = models.ForeignKey(Moment, models.CASCADE, related_name="tasks")
    agent = models.ForeignKey(
        Agent, models.PROTECT, related_name="moment_tasks", verbose_name=_("员工")
    )
    planned_customers = models.IntegerField(_("计划可见"), default=0)
    is_invalid = models.BooleanField(_("未获任务"), default=False)
    is_published = models.BooleanField(_("已发表"), default=False)
    published_at = models.DateTimeField(_("发表时间"), null=True)
    reminders = models.PositiveSmallIntegerField(_("提醒次数"), default=0)
    reminded_at = models.DateTimeField(_("最近提醒"), null=True)
    collected_at = models.DateTimeField(_("结果时间"), null=True)

    unsafe_all = MomentTaskQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["moment", "agent"], name="one_task_per_agent")
        ]
        verbose_name = _("发表任务")
        verbose_name_plural = _("发表任务")

    def __str__(self) -> str:
        return f"{self.moment_id}–{self.agent_id}"


class MomentAudienceQuerySet(models.QuerySet):
    def visible_to(self, user) -> "MomentAudienceQuerySet":
        """Rows of customers whom the user may see."""
        return self.filter(customer__in=Customer.objects.for_user(user))


class MomentAudience(models.Model):
    """可见客户: a customer who can see the post through one agent, as WeCom reported it."""

    task = models.ForeignKey(MomentTask, models.CASCADE, related_name="audience")
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+")
    seen_at = models.DateTimeField(_("可见时间"))

    unsafe_all = MomentAudienceQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "customer"], name="visible_once_per_task")
        ]
        verbose_name = _("可见客户")
        verbose_name_plural = _("可见客户")

    def __str__(self) -> str:
        return f"{self.task_id}: {self.customer_id}"


class MomentReaction(models.Model):
    """互动: a like or a comment by a customer. WeCom does not tell the words of a comment."""

    class Kind(models.TextChoices):
        LIKE = "like", _("点赞")
        COMMENT = "comment", pgettext_lazy("moment", "评论")

    task = models.ForeignKey(MomentTask, models.CASCADE, related_name="reactions")
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+")
    kind = models.CharField(_("种类"), max_length=8, choices=Kind.choices)
    at = models.DateTimeField(_("时间"))

    unsafe_all = MomentAudienceQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "customer", "kind", "at"], name="reaction_once")
        ]
        verbose_name = _("互动")
        verbose_name_plural = _("互动")

    def __str__(self) -> str:
        return f"{self.kind} {self.customer_id}"


class ListedMomentQuerySet(models.QuerySet):
    def visible_to(self, user) -> "ListedMomentQuerySet":
        """Posts of the corporation for whoever may see Moments; personal ones by their agent."""
        if not user.is_authenticated or not user.can(Permission.MOMENT_VIEW):
            return self.none()
        return self.filter(Q(agent=None) | Q(agent__in=Agent.objects.for_user(user)))

    def standing(self) -> "ListedMomentQuerySet":
        """Not deleted, as far as the last list told."""
        return self.filter(gone_at=None)


class ListedMoment(models.Model):
    """朋友圈记录: a post as WeCom lists it, of the corporation or of an agent's own accord."""

    moment_id = models.CharField(_("朋友圈编号"), max_length=64, unique=True)
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="+", verbose_name=_("员工")
    )
    posted_at = models.DateTimeField(_("发表时间"), db_index=True)
    is_corporate = models.BooleanField(_("企业发表"))
    is_public = models.BooleanField(_("公开"))
    text = models.TextField(_("正文"), blank=True)
    images = models.SmallIntegerField(_("图片数"), default=0)
    has_video = models.BooleanField(_("视频"), default=False)
    link_title = models.CharField(_("链接标题"), max_length=128, blank=True)
    link_url = models.CharField(_("链接地址"), max_length=2048, blank=True)
    seen_at = models.DateTimeField(_("同步时间"))
    gone_at = models.DateTimeField(_("删除时间"), null=True)

    unsafe_all = ListedMomentQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["-posted_at", "-pk"]
        verbose_name = _("朋友圈记录")
        verbose_name_plural = _("朋友圈记录")

    def __str__(self) -> str:
        return self.text[:32] or self.moment_id
