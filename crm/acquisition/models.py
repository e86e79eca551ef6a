"""Welcome rules, and what became of every welcome code."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent, Department
from crm.customers.models import Channel
from crm.faces.models import Face
from crm.shared.models import ScopedManager, TimeStamped
from crm.trials.models import Trial, TrialArm


class Welcome(TimeStamped):
    """欢迎语: the words for new friends of certain agents who came a certain way."""

    name = models.CharField(_("名称"), max_length=64)
    text = models.TextField(_("内容"))
    channel = models.ForeignKey(
        Channel, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("来源渠道")
    )
    agents = models.ManyToManyField(Agent, blank=True, related_name="+", verbose_name=_("员工"))
    departments = models.ManyToManyField(
        Department, blank=True, related_name="+", verbose_name=_("部门")
    )
    # A face's words greet its own customers only, and before those of everybody.
    face = models.ForeignKey(
        Face,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("人设客服"),
    )
    trial = models.OneToOneField(
        Trial,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="welcome",
        verbose_name=_("对照试验"),
    )
    priority = models.SmallIntegerField(_("优先级"), default=0)
    is_default = models.BooleanField(_("默认欢迎语"), default=False)
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        ordering = ["is_default", "-priority", "pk"]
        verbose_name = _("欢迎语")
        verbose_name_plural = _("欢迎语")
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="one_default_welcome"
            )
        ]

    def __str__(self) -> str:
        return self.name


class WelcomeSentQuerySet(models.QuerySet):
    def visible_to(self, user) -> "WelcomeSentQuerySet":
        """Those of agents that the user may see."""
        return self.filter(userid__in=Agent.objects.for_user(user).values("userid"))


class WelcomeSent(models.Model):
    """一次欢迎: one welcome code of WeCom and what became of it."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("等待发送")
        SENT = "sent", _("已送达")
        LATE = "late", _("已过时效")
        USED = "used", _("已由别处欢迎")
        UNKNOWN = "unknown", _("是否送达不明")
        FAILED = "failed", _("发送失败")
        NO_RULE = "no_rule", _("没有适用的欢迎语")
        HELD = "held", _("对照组，没有发送")
        AGAIN = "again", _("近期欢迎过，没有重复")

    code = models.CharField(_("欢迎码"), max_length=128, unique=True)
    external_userid = models.CharField(_("外部联系人编号"), max_length=64)
    userid = models.CharField(_("企业微信账号"), max_length=64)
    # Empty where the directory had not told of them yet: asking would take too long.
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="welcomes", verbose_name=_("员工")
    )
    state = models.CharField(_("渠道参数"), max_length=64, blank=True)
    welcome = models.ForeignKey(
        Welcome, models.PROTECT, null=True, related_name="sent", verbose_name=_("欢迎语")
    )
    # Drawn by the relation, before anything is sent; written with the row and never changed.
    arm = models.ForeignKey(
        TrialArm, models.PROTECT, null=True, related_name="welcomes", verbose_name=_("试验版本")
    )
    outcome = models.CharField(
        _("结果"), max_length=8, choices=Outcome.choices, default=Outcome.WAITING
    )
    # An answer stayed away once; what WeCom says of the code from then on is proof of delivery.
    is_doubted = models.BooleanField(default=False, editable=False)
    # The gate's rule that was asked, whether it said yes or no.
    rule = models.CharField(_("规则"), max_length=48, blank=True, default="", db_default="")
    rule_version = models.IntegerField(_("规则版本"), null=True, blank=True)
    happened_at = models.DateTimeField(_("加微时间"))
    queued_at = models.DateTimeField(_("收到时间"))
    finished_at = models.DateTimeField(_("结束时间"), null=True, blank=True)

    unsafe_all = WelcomeSentQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("一次欢迎")
        verbose_name_plural = _("一次欢迎")
        indexes = [
            models.Index(fields=["-happened_at", "-id"], name="welcome_newest"),
            models.Index(fields=["external_userid", "userid"], name="welcome_of_whom"),
        ]

    def __str__(self) -> str:
        return f"{self.external_userid} {self.outcome}"
