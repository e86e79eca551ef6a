"""Persona accounts and the agents who speak for them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent, User
from crm.audiences.models import Audience
from crm.customers.models import Channel, Tag
from crm.shared.models import TimeStamped


class FaceQuerySet(models.QuerySet):
    def live(self) -> "FaceQuerySet":
        """Those that are at work."""
        return self.filter(is_archived=False)


class Face(TimeStamped):
    """人设客服: who the company is for some of its customers; corporate, it holds no people."""

    name = models.CharField(_("名称"), max_length=32)
    tone = models.TextField(_("语气"))
    topic = models.CharField(_("素材主题"), max_length=32, blank=True)
    tag = models.ForeignKey(
        Tag, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("客户标签")
    )
    audience = models.ForeignKey(
        Audience, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("人群")
    )
    channels = models.ManyToManyField(
        Channel, blank=True, related_name="+", verbose_name=_("来源渠道")
    )
    agents = models.ManyToManyField(
        Agent, through="FaceAgent", related_name="+", verbose_name=_("员工")
    )
    is_archived = models.BooleanField(_("已归档"), default=False)
    version = models.IntegerField(_("版本"), default=1)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("建立人")
    )
    updated_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("修改人")
    )

    objects = FaceQuerySet.as_manager()

    class Meta:
        verbose_name = _("人设客服")
        verbose_name_plural = _("人设客服")
        ordering = ["is_archived", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(is_archived=False), name="one_live_face_of_a_name"
            ),
            models.CheckConstraint(
                condition=Q(tag=None, audience__isnull=False) | Q(audience=None, tag__isnull=False),
                name="a_face_is_for_a_tag_or_an_audience",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FaceAgent(models.Model):
    """One agent of one face. An account at WeCom has one name, so it speaks for one live face."""

    face = models.ForeignKey(Face, models.CASCADE, related_name="members")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", verbose_name=_("员工"))
    # Copied from the face, so that the database can see to it.
    is_live = models.BooleanField(default=True, editable=False)

    class Meta:
        verbose_name = _("人设客服的员工")
        verbose_name_plural = _("人设客服的员工")
        constraints = [
            models.UniqueConstraint(fields=["face", "agent"], name="once_an_agent_of_a_face"),
            models.UniqueConstraint(
                fields=["agent"], condition=Q(is_live=True), name="one_live_face_of_an_agent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.face_id}: {self.agent_id}"
