"""A dataset, whom its events are about, what may happen in it, and the events."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Dataset(models.Model):
    """数据集: a named set of events; `revision` grows with every import that added some."""

    name = models.CharField(_("名称"), max_length=64, unique=True)
    created_at = models.DateTimeField(_("建立时间"))
    changed_at = models.DateTimeField(_("最近导入"))
    revision = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        verbose_name = _("数据集")
        verbose_name_plural = _("数据集")

    def __str__(self) -> str:
        return self.name


class DatasetUnit(models.Model):
    """Whom or what events are about (customer, session, order), by the file's own key."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="units", db_index=False)
    key = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "key"], name="dataset_unit_once")]

    def __str__(self) -> str:
        return self.key


class DatasetKind(models.Model):
    """An event name of a dataset."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="kinds", db_index=False)
    code = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "code"], name="dataset_kind_once")
        ]

    def __str__(self) -> str:
        return self.code


class DatasetFact(models.Model):
    """One event of a dataset; like a fact it is appended and never edited."""

    # One action writes all three tables and one deletes from them; constraints would make a million
    # rows wait for three million look-ups, and each deleted unit search all facts.
    dataset = models.ForeignKey(
        Dataset, models.CASCADE, related_name="facts", db_index=False, db_constraint=False
    )
    unit = models.ForeignKey(
        DatasetUnit, models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    kind = models.ForeignKey(DatasetKind, models.CASCADE, related_name="+", db_constraint=False)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    source_key = models.CharField(max_length=160)
    properties = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "source_key"], name="dataset_fact_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind_id}@{self.at:%Y-%m-%d %H:%M} #{self.unit_id}"
