"""Tiers, their benefits, cards, and what was used of them."""

from datetime import date

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.models import User
from crm.customers.models import Customer
from crm.shared.models import ScopedManager, TimeStamped


class MemberTier(TimeStamped):
    """会员等级."""

    code = models.SlugField(_("代码"), max_length=32, unique=True)
    name = models.CharField(_("名称"), max_length=32, unique=True)
    rank = models.PositiveSmallIntegerField(
        _("高低"), unique=True, help_text=_("数字大的等级高；同时持有几张卡时按最高的算")
    )
    falls_to = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("到期后转为"),
    )
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        verbose_name = _("会员等级")
        verbose_name_plural = _("会员等级")
        ordering = ["-rank"]

    def __str__(self) -> str:
        return self.name


class MemberBenefit(models.Model):
    """会员权益: what a card of a tier gives, and how often."""

    tier = models.ForeignKey(MemberTier, models.CASCADE, related_name="benefits")
    name = models.CharField(_("权益"), max_length=64)
    quota = models.PositiveSmallIntegerField(
        _("每张卡可用次数"), null=True, blank=True, help_text=_("不填就是不限")
    )
    position = models.PositiveSmallIntegerField(_("次序"), default=0)

    class Meta:
        verbose_name = _("会员权益")
        verbose_name_plural = _("会员权益")
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["tier", "name"], name="benefit_once_per_tier")
        ]

    def __str__(self) -> str:
        return self.name


class MemberCardQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> "MemberCardQuerySet":
        """Cards of customers that the user may see."""
        return self.filter(customer__in=Customer.objects.for_user(user))

    def holding(self, day: date) -> "MemberCardQuerySet":
        """Cards that hold on a day, the highest first."""
        holds = Q(ends_on__isnull=True) | Q(ends_on__gte=day)
        return self.filter(holds, begins_on__lte=day).order_by("-tier__rank", "-begins_on", "-pk")


class MemberCard(TimeStamped):
    """会员卡: one customer's membership of one tier, from a day to a day, both included."""

    class Source(models.TextChoices):
        PERSON = "person", pgettext_lazy("origin", "手工填写")
        IMPORT = "import", pgettext_lazy("origin", "文件导入")
        API = "api", pgettext_lazy("origin", "接口")
        EXPIRY = "expiry", pgettext_lazy("origin", "到期转入")

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="member_cards")
    tier = models.ForeignKey(MemberTier, models.PROTECT, related_name="+", verbose_name=_("等级"))
    begins_on = models.DateField(_("开始日期"))
    ends_on = models.DateField(_("结束日期"), null=True, blank=True)
    source = models.CharField(_("来源"), max_length=8, choices=Source.choices)
    given_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    # What its end brings has been done: the card that it falls back to stands.
    is_settled = models.BooleanField(default=False)

    unsafe_all = MemberCardQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("会员卡")
        verbose_name_plural = _("会员卡")
        ordering = ["-begins_on", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "tier", "begins_on"], name="card_once_per_beginning"
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("begins_on")),
                name="card_ends_after_it_begins",
            ),
        ]
        indexes = [
            models.Index(fields=["ends_on"], name="card_to_settle", condition=Q(is_settled=False))
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.tier_id}"


class BenefitUse(models.Model):
    """权益使用: once of one benefit of one card."""

    card = models.ForeignKey(MemberCard, models.CASCADE, related_name="uses")
    benefit = models.ForeignKey(MemberBenefit, models.PROTECT, related_name="+")
    note = models.CharField(_("说明"), max_length=128, blank=True)
    used_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    used_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("权益使用")
        verbose_name_plural = _("权益使用")
        ordering = ["-used_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.card_id} {self.benefit_id}"
