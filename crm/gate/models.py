"""Rules of the gate, and units of its caps."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from crm.customers.models import Customer
from crm.groups.models import Group
from crm.outbox.models import DatedRule
from crm.timeline.catalogue import KINDS

SIGNALS = ("message_received", "moment_liked", "moment_commented", "order_paid", "route_viewed")


class ContentKind(models.TextChoices):
    """What a message is for; rules may hold for some kinds only."""

    PROMOTION = "promotion", _("营销")
    SERVICE = "service", pgettext_lazy("content kind", "服务")
    GREETING = "greeting", _("问候")


class Channel(models.TextChoices):
    """Where a message goes; each rule holds for one."""

    SEND = "send", _("群发给客户")
    GROUP = "group", _("群发到客户群")
    MOMENT = "moment", _("朋友圈")
    WELCOME = "welcome", _("欢迎语")


class SceneRule(DatedRule):
    """场景规则: which signs mean that a customer is in need, and how many a send may reach without.

    Without a rule the signs of a month count, and any share may be reached.
    """

    days = models.PositiveSmallIntegerField(_("看最近几天"), default=30)
    most_percent = models.PositiveSmallIntegerField(
        _("场景外的人至多（%）"),
        null=True,
        blank=True,
        help_text=_("一次群发里没有需求信号的人超过这个比例就不能提交；不填就只统计"),
    )

    class Meta:
        ordering = ["code", "-valid_from"]
        verbose_name = _("场景规则")
        verbose_name_plural = _("场景规则")
        constraints = [
            models.UniqueConstraint(fields=["code", "valid_from"], name="scene_rule_once_per_date")
        ]


def _listed(words: list[str]) -> str:
    return gettext("、").join(words)


class TouchRule(DatedRule):
    """触达规则: a reason for which customers are left in peace, from an instant on."""

    class Check(models.TextChoices):
        OWN_CAP = "own_cap", _("接收次数：窗口内至多几次")
        NEED = "no_need", _("需求信号：近几天没有信号的不发")
        STAGE = "stage", _("生命阶段：处于这些阶段的不发")
        IGNORED = "ignored", _("未回应：连续几次没有回应的不发")
        AGAIN = "again", _("重复欢迎：近几天欢迎过的不再欢迎")
        RISK = "risk", _("删除风险：高于 N% 的不发")

    class Window(models.TextChoices):
        DAY = "day", _("每天")
        WEEK = "week", _("每周")
        MONTH = "month", _("每月")

    channel = models.CharField(
        _("渠道"),
        max_length=8,
        choices=Channel.choices,
        default=Channel.SEND,
        help_text=_(
            "客户群只能按接收次数限制，每个群各计各的；朋友圈留不出单个客户，所以要写明至多百分之几；"
            "欢迎语回应客户自己的添加，只能限制多久不重复欢迎"
        ),
    )
    test = models.CharField(_("检查"), max_length=12, choices=Check.choices)
    content_kinds = ArrayField(
        models.CharField(max_length=12, choices=ContentKind.choices),
        default=list,
        blank=True,
        verbose_name=_("内容类别"),
        help_text=_("不选就是全部"),
    )
    limit = models.PositiveSmallIntegerField(
        _("次数"), null=True, blank=True, help_text=_("接收次数、未回应：至多几次")
    )
    window = models.CharField(
        _("窗口"),
        max_length=8,
        choices=Window.choices,
        default=Window.WEEK,
        help_text=_("只用于接收次数"),
    )
    days = models.PositiveSmallIntegerField(
        _("天数"), null=True, blank=True, help_text=_("需求信号、未回应、重复欢迎：看最近几天")
    )
    percent = models.PositiveSmallIntegerField(
        _("删除风险（%）"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(99)],
        help_text=_("7 天内删除员工的可能性高于它的不发；没有经过验证的模型时不拦任何人"),
    )
    signals = ArrayField(
        models.CharField(
            max_length=64,
            choices=[(kind.code, kind.label) for kind in KINDS if kind.code in SIGNALS],
        ),
        default=list,
        blank=True,
        verbose_name=_("需求信号"),
    )
    stages = ArrayField(
        models.CharField(max_length=16, choices=Customer.Stage.choices),
        default=list,
        blank=True,
        verbose_name=_("生命阶段"),
    )

    most_percent = models.PositiveSmallIntegerField(
        _("这样的人至多（%）"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(100)],
        help_text=_("只用于朋友圈：看得到的人里不该打扰的超过这个比例，就不能提交，也不会发出"),
    )

    class Meta:
        ordering = ["code", "-valid_from"]
        verbose_name = _("触达规则")
        verbose_name_plural = _("触达规则")
        constraints = [
            models.UniqueConstraint(fields=["code", "valid_from"], name="touch_rule_once_per_date")
        ]

    def clean(self) -> None:
        """A rule that lacks what its test needs is refused, naming the field."""
        needed = {
            self.Check.OWN_CAP: ("limit",),
            self.Check.NEED: ("days", "signals"),
            self.Check.STAGE: ("stages",),
            self.Check.IGNORED: ("limit", "days"),
            self.Check.AGAIN: ("days",),
            self.Check.RISK: ("percent",),
        }.get(self.test, ())
        lacking = {name: _("这种检查需要填写此项") for name in needed if not getattr(self, name)}
        if self.channel == Channel.MOMENT and self.most_percent is None:
            lacking["most_percent"] = _("朋友圈的规则需要填写此项")
        if lacking and not self.is_off:
            raise ValidationError(lacking)
        self._refuse_code_of_other_channel()
        self._refuse_unfit()

    def _refuse_code_of_other_channel(self) -> None:
        # The latest row of a code replaces those before it: theirs would end without a word.
        others = TouchRule.objects.filter(code=self.code).exclude(pk=self.pk)
        if other := others.exclude(channel=self.channel).first():
            words = _("这个代码是渠道“%(channel)s”的规则，新的一行会取代它：请换一个代码")
            raise ValidationError({"code": words % {"channel": other.get_channel_display()}})

    def _refuse_unfit(self) -> None:
        if self.channel == Channel.WELCOME and self.test != self.Check.AGAIN:
            raise ValidationError(
                {"test": _("欢迎语回应客户自己的添加，不问需求和阶段：请选重复欢迎")}
            )
        if self.channel != Channel.WELCOME and self.test == self.Check.AGAIN:
            raise ValidationError({"test": _("重复欢迎只用于欢迎语：请换成别的检查或渠道")})
        if self.channel == Channel.WELCOME and self.content_kinds:
            raise ValidationError({"content_kinds": _("欢迎语不分内容类别：请留空")})
        if self.channel == Channel.GROUP and self.test != self.Check.OWN_CAP:
            raise ValidationError(
                {"test": _("客户群没有需求信号和生命阶段：请选接收次数，或换成别的渠道")}
            )
        if self.channel == Channel.MOMENT and self.test == self.Check.IGNORED:
            raise ValidationError({"test": _("朋友圈不求回应：请选接收次数、需求信号或生命阶段")})
        if self.channel == Channel.MOMENT and self.content_kinds:
            raise ValidationError({"content_kinds": _("朋友圈不分内容类别：请留空")})
        if self.channel != Channel.MOMENT and self.most_percent is not None:
            raise ValidationError({"most_percent": _("只用于朋友圈：请留空")})

    @property
    def in_words(self) -> str:
        """What exactly it says, for people."""
        if self.is_off:
            return gettext("不再检查")
        kinds = dict(ContentKind.choices)
        about = [str(kinds.get(kind, kind)) for kind in self.content_kinds]
        parts = [_listed(about) if about else _("所有内容")]
        values = {"limit": self.limit, "days": self.days}
        if self.test == self.Check.OWN_CAP:
            words = {
                self.Window.DAY: _("每天至多 %(limit)s 次"),
                self.Window.WEEK: _("每周至多 %(limit)s 次"),
                self.Window.MONTH: _("每月至多 %(limit)s 次"),
            }
            parts.append(words[self.window] % values)
        elif self.test == self.Check.NEED:
            labels = {kind.code: str(kind.label) for kind in KINDS}
            signals = _listed([labels.get(code, code) for code in self.signals])
            parts.append(_("%(days)s 天内须有：%(signals)s") % (values | {"signals": signals}))
        elif self.test == self.Check.STAGE:
            stages = dict(Customer.Stage.choices)
            parts.append(_listed([str(stages.get(code, code)) for code in self.stages]))
        elif self.test == self.Check.AGAIN:
            parts = [_("同一位员工 %(days)s 天内欢迎过的客户不再欢迎") % values]
        elif self.test == self.Check.RISK:
            words = _("删除风险高于 %(percent)s%% 的不发；没有分数的照常发")
            parts.append(words % {"percent": self.percent})
        else:
            parts.append(_("%(days)s 天内 %(limit)s 次未回应") % values)
        if self.channel == Channel.MOMENT:
            parts[0] = _("这样的人至多 %(most)s%%") % {"most": self.most_percent}
        return " · ".join(str(part) for part in parts)

    def holds_for(self, content_kind: str, channel: str = Channel.SEND) -> bool:
        """Whether the rule is about such messages in this channel."""
        return self.channel == channel and (
            not self.content_kinds or content_kind in self.content_kinds
        )


class TouchSlot(models.Model):
    """触达名额: one unit of a cap that a recipient of a send, customer or group, has taken."""

    code = models.CharField(max_length=48)
    customer = models.ForeignKey(
        Customer, models.CASCADE, null=True, related_name="+", db_index=False
    )
    group = models.ForeignKey(Group, models.CASCADE, null=True, related_name="+", db_index=False)
    bucket = models.CharField(max_length=10)
    n = models.PositiveSmallIntegerField()
    cap = models.PositiveSmallIntegerField()
    recipient = models.ForeignKey("crm.MassRecipient", models.CASCADE, related_name="+")
    taken_at = models.DateTimeField()

    class Meta:
        verbose_name = _("触达名额")
        verbose_name_plural = _("触达名额")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "code", "bucket", "n"], name="touch_slot_taken_once"
            ),
            models.UniqueConstraint(
                fields=["group", "code", "bucket", "n"], name="touch_slot_of_group_taken_once"
            ),
            models.CheckConstraint(
                condition=Q(customer__isnull=False, group__isnull=True)
                | Q(customer__isnull=True, group__isnull=False),
                name="touch_slot_is_one_receivers",
            ),
            models.UniqueConstraint(fields=["recipient", "code"], name="touch_slot_once_each"),
            models.CheckConstraint(
                condition=Q(n__gte=1) & Q(n__lte=F("cap")), name="touch_slot_within_cap"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}/{self.customer_id or self.group_id}/{self.bucket} {self.n}/{self.cap}"
