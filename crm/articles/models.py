"""Addresses of articles, and what readers did there."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission
from crm.agents.models import Agent, User
from crm.content.models import Material, MaterialVersion
from crm.customers.models import Customer
from crm.shared.models import ScopedManager

# Two more than a short link has, so that one address never means both.
CODE_CHARS = 10


class ArticleLinkQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> "ArticleLinkQuerySet":
        """Those of articles in scope; made for one customer only where the customer is, too."""
        may_see = user.is_authenticated and (
            user.can(Permission.CONTENT_VIEW) or user.can(Permission.API_FIGURES)
        )
        if not may_see:
            return self.none()
        seen = Q(customer=None) | Q(customer__in=Customer.objects.for_user(user))
        return self.filter(seen, version__material__in=Material.objects.for_user(user))


class ArticleLink(models.Model):
    """图文链接: one version of an article under an address made for one place."""

    class Place(models.TextChoices):
        SEND = "send", _("群发")
        MOMENTS = "moments", _("朋友圈")
        WELCOME = "welcome", _("欢迎语")
        CHAT = "chat", _("单聊")
        OTHER = "other", _("其他")

    code = models.CharField(_("代码"), max_length=CODE_CHARS, unique=True)
    version = models.ForeignKey(MaterialVersion, models.PROTECT, related_name="+")
    place = models.CharField(_("用在哪里"), max_length=8, choices=Place.choices)
    note = models.CharField(_("备注"), max_length=64, blank=True)
    customer = models.ForeignKey(
        Customer, models.CASCADE, null=True, related_name="+", verbose_name=_("客户")
    )
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="+", verbose_name=_("员工")
    )
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("建立人"))
    made_at = models.DateTimeField(_("建立时间"))
    closed_at = models.DateTimeField(_("停用时间"), null=True)

    unsafe_all = ArticleLinkQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("图文链接")
        verbose_name_plural = _("图文链接")
        ordering = ["-made_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(customer=None) | Q(place__in=("welcome", "chat")),
                name="only_one_to_one_is_for_one",
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.place}"


class ArticleView(models.Model):
    """图文打开: one opening; ``read_ms`` is how long it was visible, None where nobody told us.

    ``visitor`` tells devices of one day apart, not who they are. ``read_at`` is when it first
    counted as read.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    link = models.ForeignKey(ArticleLink, models.CASCADE, related_name="views", db_index=False)
    opened_at = models.DateTimeField(_("时间"))
    visitor = models.CharField(max_length=16)
    read_ms = models.PositiveIntegerField(_("阅读毫秒"), null=True)
    depth = models.PositiveSmallIntegerField(_("读到"), default=0)
    read_at = models.DateTimeField(_("读过"), null=True)

    class Meta:
        verbose_name = _("图文打开")
        verbose_name_plural = _("图文打开")
        indexes = [models.Index(fields=["link", "opened_at"], name="article_views")]

    def __str__(self) -> str:
        return f"{self.link_id} {self.opened_at:%Y-%m-%d %H:%M}"


class ArticleClick(models.Model):
    """图文点击: a button was pressed in an opening; each button counts once."""

    view = models.ForeignKey(ArticleView, models.CASCADE, related_name="clicks", db_index=False)
    position = models.PositiveSmallIntegerField(_("位置"))
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("图文点击")
        verbose_name_plural = _("图文点击")
        constraints = [
            models.UniqueConstraint(fields=["view", "position"], name="a_button_counts_once")
        ]

    def __str__(self) -> str:
        return f"{self.view_id}.{self.position}"
