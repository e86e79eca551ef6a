"""Questions that people keep under a name."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission
from crm.agents.models import User
from crm.shared.models import ScopedManager, TimeStamped


class SavedQuestionQuerySet(models.QuerySet):
    def visible_to(self, user) -> "SavedQuestionQuerySet":
        """Questions hold no customers: whoever may see funnels sees them all."""
        if not user.is_authenticated or not user.can(Permission.ANALYTICS_VIEW):
            return self.none()
        return self.all()

    def owned_by(self, user) -> "SavedQuestionQuerySet":
        """Who saved a question may save it anew or drop it."""
        return self.visible_to(user).filter(owner=user)


class SavedQuestion(TimeStamped):
    """已存问题: a funnel question under a name; its answer is always asked anew."""

    name = models.CharField(_("名称"), max_length=128)
    owner = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("建立人"))
    question = models.JSONField(_("问题"))
    query = models.TextField(_("网址参数"))

    unsafe_all = SavedQuestionQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("已存问题")
        verbose_name_plural = _("已存问题")
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_question_once_per_owner")
        ]

    def __str__(self) -> str:
        return self.name
