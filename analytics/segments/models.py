"""Saved segments, and the derived index that answers them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission, Role
from crm.agents.models import User
from crm.shared.models import ScopedManager, TimeStamped


class SegmentQuerySet(models.QuerySet):
    def visible_to(self, user) -> "SegmentQuerySet":
        """Rules hold no customers: whoever may save audiences sees them all."""
        if not user.is_authenticated or not user.can(Permission.AUDIENCE_SAVE):
            return self.none()
        return self.all()

    def changeable_by(self, user) -> "SegmentQuerySet":
        """Operators change every segment, others their own."""
        seen = self.visible_to(user)
        return seen if getattr(user, "role", "") == Role.OPERATOR else seen.filter(owner=user)


class Segment(TimeStamped):
    """分群: a named question; its rule is the newest version's."""

    name = models.CharField(_("名称"), max_length=128, unique=True)
    description = models.CharField(_("说明"), max_length=512, blank=True)
    owner = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("建立人")
    )
    version = models.IntegerField(_("版本"), default=1)
    rule = models.JSONField(_("规则"))
    is_archived = models.BooleanField(_("已归档"), default=False)

    unsafe_all = SegmentQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("分群")
        verbose_name_plural = _("分群")

    def __str__(self) -> str:
        return self.name


class SegmentVersion(models.Model):
    """分群版本: what a segment asked from then on; written once."""

    segment = models.ForeignKey(
        Segment, models.CASCADE, related_name="versions", verbose_name=_("分群")
    )
    number = models.IntegerField(_("版本"))
    rule = models.JSONField(_("规则"))
    saved_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    saved_at = models.DateTimeField(_("保存时间"))

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["segment", "number"], name="one_rule_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} v{self.number}"


class SegmentIndex(models.Model):
    """The state of the bitmaps, one row: how far the facts are in them."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    version = models.BigIntegerField(default=0)
    facts_upto = models.BigIntegerField(default=0)
    refreshed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"v{self.version}"


class SegmentWord(models.Model):
    """A text that is a value in the bitmaps: a city, a destination."""

    dim = models.CharField(max_length=128)
    word = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dim", "word"], name="one_number_per_word")]

    def __str__(self) -> str:
        return self.word


class SegmentBits(models.Model):
    """Customers (by id, a chunk of 2^20 ids) who have a value in a dimension; roaring."""

    pk = models.CompositePrimaryKey("dim", "val", "chunk")
    dim = models.SmallIntegerField()
    val = models.BigIntegerField()
    chunk = models.IntegerField()
    version = models.BigIntegerField()
    bits = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.dim}:{self.val}:{self.chunk}"


class SegmentDay(models.Model):
    """Customers to whom a kind of fact happened at least ``level`` times on a local day."""

    pk = models.CompositePrimaryKey("kind", "val", "day", "level")
    kind = models.SmallIntegerField()
    val = models.BigIntegerField()  # 0: whatever the properties; else a SegmentWord.
    day = models.DateField()
    level = models.SmallIntegerField()
    version = models.BigIntegerField()
    bits = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.kind}:{self.val}:{self.day}:{self.level}"


class SegmentDirty(models.Model):
    """A customer who changed since the bitmaps were written; appended by triggers."""

    customer_id = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.customer_id)
