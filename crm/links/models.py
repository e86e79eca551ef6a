"""Links and their openings."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.access import Permission
from crm.agents.models import User
from crm.shared.models import ScopedManager

CODE_CHARS = 8


class ShortLinkQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> "ShortLinkQuerySet":
        """The company's links, for whoever may read content."""
        may_see = user.is_authenticated and user.can(Permission.CONTENT_VIEW)
        return self.all() if may_see else self.none()


class ShortLink(models.Model):
    """短链接: a short address of ours that leads to one target for ever."""

    code = models.CharField(_("代码"), max_length=CODE_CHARS, unique=True)
    target = models.CharField(_("目标地址"), max_length=2048)
    title = models.CharField(_("名称"), max_length=128)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("建立人"))
    made_at = models.DateTimeField(_("建立时间"))
    closed_at = models.DateTimeField(_("停用时间"), null=True)

    unsafe_all = ShortLinkQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("短链接")
        verbose_name_plural = _("短链接")
        ordering = ["-made_at", "-pk"]

    def __str__(self) -> str:
        return self.title


class LinkClick(models.Model):
    """打开: a link was opened once; ``visitor`` tells people of one day apart, not who they are."""

    link = models.ForeignKey(ShortLink, models.CASCADE, related_name="clicks", db_index=False)
    at = models.DateTimeField(_("时间"))
    visitor = models.CharField(max_length=16)

    class Meta:
        verbose_name = pgettext_lazy("link", "打开")
        verbose_name_plural = pgettext_lazy("link", "打开")
        indexes = [models.Index(fields=["link", "at"], name="link_clicks")]

    def __str__(self) -> str:
        return f"{self.link_id} {self.at:%Y-%m-%d %H:%M}"
