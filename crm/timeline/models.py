"""Kinds of facts and the facts themselves."""

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from crm.shared.models import ScopedManager
from crm.timeline.catalogue import KINDS

_BUILT_IN_LABELS = {kind.code: kind.label for kind in KINDS}


class FactKind(models.Model):
    """事实种类: the declared catalogue, built-in kinds and the company's own."""

    id = models.SmallIntegerField(primary_key=True)
    code = models.SlugField(_("代码"), max_length=64, unique=True)
    label_zh = models.CharField(_("中文名"), max_length=64)
    label_en = models.CharField(_("英文名"), max_length=64, blank=True)
    meaning = models.CharField(_("含义"), max_length=255, blank=True)
    emitter = models.CharField(_("来源"), max_length=32, default="api")
    is_builtin = models.BooleanField(_("内置"), default=False)

    class Meta:
        ordering = ["id"]
        verbose_name = _("事实种类")
        verbose_name_plural = _("事实种类")

    def __str__(self) -> str:
        return str(self.label)

    @property
    def label(self) -> str:
        """Name in the reader's language."""
        if self.code in _BUILT_IN_LABELS:
            return str(_BUILT_IN_LABELS[self.code])
        if (get_language() or "").startswith("en") and self.label_en:
            return self.label_en
        return self.label_zh or self.code


class FactQuerySet(models.QuerySet):
    def visible_to(self, user) -> "FactQuerySet":
        """Facts of customers that the user may see."""
        customers = self.model._meta.get_field("customer").related_model
        seen = customers.objects.for_user(user).filter(pk=OuterRef("customer_id"))
        return self.filter(Exists(seen))


class Fact(models.Model):
    """事实: something that happened to a customer at an instant; appended, never edited.

    That what it names exists is checked once for all facts of a statement (``fact_parents_exist``
    and ``fact_is_kept`` in migration 0043), which costs a tenth of a foreign key a row.
    """

    customer = models.ForeignKey(
        "crm.Customer",
        models.PROTECT,
        related_name="facts",
        db_index=False,
        db_constraint=False,
        verbose_name=_("客户"),
    )
    kind = models.ForeignKey(
        FactKind,
        models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
        verbose_name=_("种类"),
    )
    at = models.DateTimeField(_("发生时间"))
    recorded_at = models.DateTimeField(_("记录时间"))
    agent = models.ForeignKey(
        "crm.Agent",
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    group = models.ForeignKey(
        "crm.Group",
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    channel = models.ForeignKey(
        "crm.Channel",
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    order = models.ForeignKey(
        "crm.Order",
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    amount_cents = models.BigIntegerField(_("金额（分）"), null=True)
    source = models.CharField(_("来源"), max_length=32)
    source_key = models.CharField(_("来源编号"), max_length=160)
    properties = models.JSONField(_("属性"), default=dict)

    unsafe_all = FactQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("事实")
        verbose_name_plural = _("事实")
        constraints = [
            models.UniqueConstraint(fields=["source", "source_key"], name="fact_once_per_source")
        ]
        indexes = [
            models.Index(fields=["customer", "at"], name="fact_customer_at"),
            models.Index(fields=["kind", "at"], name="fact_kind_at"),
            models.Index(
                fields=["agent", "kind", "at"],
                name="fact_agent_kind_at",
                condition=models.Q(agent__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind_id}@{self.at:%Y-%m-%d %H:%M} #{self.customer_id}"


class FactRemoval(models.Model):
    """Facts of a customer were taken away (merged into another, erased): copies have to follow.

    ``fact_id`` is drawn from the facts' own sequence, so that readers know without a clock whether
    what they hold is older.
    """

    customer_id = models.BigIntegerField()
    fact_id = models.BigIntegerField(db_index=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("事实移除")
        verbose_name_plural = _("事实移除")

    def __str__(self) -> str:
        return f"#{self.customer_id} < {self.fact_id}"
