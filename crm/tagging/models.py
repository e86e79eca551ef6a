"""Batches of tag edits, the last wish per relation and tag, and what each batch changed."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.access import Role
from crm.agents.models import User
from crm.audiences.models import Audience
from crm.customers.models import Contact, Customer, Tag
from crm.jobs.models import Job
from crm.shared.models import ScopedManager, TimeStamped


class TagBatchQuerySet(models.QuerySet):
    def visible_to(self, user) -> "TagBatchQuerySet":
        """One's own; operators look after everybody's."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        return self.all() if user.role == Role.OPERATOR else self.filter(created_by=user)


class TagBatch(TimeStamped):
    """一次打标签: the same tags put on and taken off some relations, undone as a whole."""

    adds = ArrayField(models.IntegerField(), default=list, verbose_name=_("加上"))
    removes = ArrayField(models.IntegerField(), default=list, verbose_name=_("取下"))
    customers = models.IntegerField(_("客户数"), default=0)
    undoes = models.OneToOneField(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="undone_by",
        verbose_name=_("撤销的是"),
    )
    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("发起人")
    )

    unsafe_all = TagBatchQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("一次打标签")
        verbose_name_plural = _("一次打标签")

    def __str__(self) -> str:
        return f"#{self.pk}"


class TagEditQuerySet(models.QuerySet):
    def waiting(self) -> "TagEditQuerySet":
        return self.filter(state=TagEdit.State.WAITING)

    def visible_to(self, user) -> "TagEditQuerySet":
        """Edits of customers that the user may see."""
        return self.filter(contact__customer__in=Customer.objects.for_user(user))


class TagEdit(TimeStamped):
    """标签修改: the last wish for one tag on one relation; ``version`` counts the wishes."""

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("tag", "待写入企业微信")
        SETTLED = "settled", pgettext_lazy("tag", "已写入企业微信")
        FAILED = "failed", pgettext_lazy("tag", "未能写入")

    contact = models.ForeignKey(
        Contact, models.CASCADE, related_name="tag_edits", verbose_name=_("好友关系")
    )
    tag = models.ForeignKey(Tag, models.PROTECT, related_name="+", verbose_name=_("企业标签"))
    is_wanted = models.BooleanField(_("要有"))
    version = models.IntegerField(_("版本"), default=1)
    state = models.CharField(_("状态"), max_length=8, choices=State.choices, default=State.WAITING)
    reason = models.CharField(_("原因"), max_length=255, blank=True)
    batch = models.ForeignKey(
        TagBatch, models.PROTECT, related_name="edits", verbose_name=_("一次打标签")
    )

    unsafe_all = TagEditQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("标签修改")
        verbose_name_plural = _("标签修改")
        constraints = [
            models.UniqueConstraint(fields=["contact", "tag"], name="one_wish_per_relation_and_tag")
        ]
        indexes = [models.Index(fields=["batch", "state"], name="tag_edit_of_batch")]

    def __str__(self) -> str:
        return f"{'+' if self.is_wanted else '-'}{self.tag_id} @{self.contact_id}"


class TagChange(models.Model):
    """What a batch changed on a relation, for the way back; rows that it left alone have none."""

    batch = models.ForeignKey(TagBatch, models.CASCADE, related_name="changes")
    contact = models.ForeignKey(Contact, models.CASCADE, related_name="+")
    tag = models.ForeignKey(Tag, models.PROTECT, related_name="+")
    is_on = models.BooleanField()

    class Meta:
        verbose_name = _("标签改动")
        verbose_name_plural = _("标签改动")
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "contact", "tag"], name="a_batch_changes_a_tag_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.tag_id} @{self.contact_id}"


class AudienceTagQuerySet(models.QuerySet):
    def visible_to(self, user) -> "AudienceTagQuerySet":
        """Those of audiences that the user may see."""
        return self.filter(audience__in=Audience.objects.for_user(user))


class AudienceTag(TimeStamped):
    """人群标签: a corp tag that exactly the members of an audience carry, kept so every day."""

    audience = models.OneToOneField(
        Audience, models.CASCADE, related_name="+", verbose_name=_("人群")
    )
    name = models.CharField(_("名称"), max_length=30)
    tag = models.OneToOneField(
        Tag, models.PROTECT, null=True, related_name="+", verbose_name=_("企业标签")
    )
    reason = models.CharField(_("原因"), max_length=255, blank=True)
    kept_at = models.DateTimeField(_("上次对齐"), null=True)
    batch = models.ForeignKey(TagBatch, models.SET_NULL, null=True, related_name="+")
    asked_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("发起人")
    )

    unsafe_all = AudienceTagQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("人群标签")
        verbose_name_plural = _("人群标签")

    def __str__(self) -> str:
        return self.name

    @property
    def stands(self) -> bool:
        """There is such a tag at WeCom, or it is on its way there."""
        return not self.tag.is_deleted if self.tag else not self.reason
