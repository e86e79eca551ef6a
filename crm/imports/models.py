"""Uploaded files on their way in, and the column mappings that were used before."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.jobs.models import Job
from crm.shared.models import ScopedManager, TimeStamped


class ImportKind(models.TextChoices):
    """What the rows of a file are."""

    CUSTOMERS = "customers", _("客户")
    ORDERS = "orders", _("订单")
    EVENTS = "events", _("事件")
    ROUTES = "routes", _("线路")
    MEMBERS = "members", _("会员卡")


class FileImportQuerySet(models.QuerySet):
    def visible_to(self, user) -> "FileImportQuerySet":
        """A file and what is in it belong to the one who uploaded it."""
        return self.filter(owner=user) if user.is_authenticated else self.none()


class FileImport(TimeStamped):
    """导入: one uploaded file from upload to summary. ``job`` is its latest run, dry or real."""

    kind = models.CharField(_("数据种类"), max_length=16, choices=ImportKind.choices)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="imports", verbose_name=_("发起人")
    )
    file_name = models.CharField(_("文件名"), max_length=255)
    stored_name = models.CharField(max_length=64, unique=True, editable=False)
    size = models.BigIntegerField(_("大小"))
    headers = models.JSONField(_("列名"), default=list)
    sample = models.JSONField(_("样例"), default=list)
    signature = models.CharField(max_length=64, editable=False)
    mapping = models.JSONField(_("列对应"), default=dict)
    job = models.ForeignKey(
        Job, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("作业")
    )
    removed_at = models.DateTimeField(_("文件删除时间"), null=True, blank=True)

    unsafe_all = FileImportQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("导入")
        verbose_name_plural = _("导入")
        indexes = [models.Index(fields=["owner", "-id"], name="import_of_owner")]

    def __str__(self) -> str:
        return self.file_name


class ImportMapping(TimeStamped):
    """列对应: how columns of a file with these headers were last matched to fields."""

    kind = models.CharField(_("数据种类"), max_length=16, choices=ImportKind.choices)
    signature = models.CharField(max_length=64, editable=False)
    mapping = models.JSONField(_("列对应"), default=dict)

    class Meta:
        verbose_name = _("列对应")
        verbose_name_plural = _("列对应")
        constraints = [
            models.UniqueConstraint(fields=["kind", "signature"], name="one_mapping_per_header")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.signature[:8]}"
