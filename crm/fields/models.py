"""Definitions of fields, and values."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.models import User
from crm.customers.models import Customer
from crm.shared.models import ScopedManager


class Field(models.Model):
    """自定义字段: what is asked of customers beside the built-in attributes."""

    class Kind(models.TextChoices):
        TEXT = "text", _("文字")
        NUMBER = "number", _("数字")
        DATE = "date", _("日期")
        CHOICE = "choice", _("单选")
        CHOICES = "choices", _("多选")
        YES_NO = "yes_no", _("是或否")

    key = models.CharField(
        _("代码"),
        max_length=32,
        unique=True,
        validators=[
            RegexValidator(r"^[a-z][a-z0-9_]*$", _("小写字母开头，只用小写字母、数字和下划线"))
        ],
        help_text=_("接口里用的名字，建立后不能改"),
    )
    label = models.CharField(_("名称"), max_length=32)
    kind = models.CharField(_("类型"), max_length=8, choices=Kind.choices)
    options = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        verbose_name=_("选项"),
        help_text=_("单选和多选填写，用英文逗号隔开"),
    )
    help = models.CharField(_("说明"), max_length=128, blank=True)
    position = models.PositiveSmallIntegerField(_("次序"), default=0)
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        verbose_name = _("自定义字段")
        verbose_name_plural = _("自定义字段")
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(key__regex=r"^[a-z][a-z0-9_]*$"), name="field_key_is_plain"
            )
        ]

    def __str__(self) -> str:
        return self.label


class FieldValueQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> "FieldValueQuerySet":
        """Values of customers that the user may see."""
        return self.filter(customer__in=Customer.objects.for_user(user))


class FieldValue(models.Model):
    """字段值: what one customer's field says, who said so, and when."""

    class Source(models.TextChoices):
        PERSON = "person", pgettext_lazy("origin", "手工填写")
        API = "api", pgettext_lazy("origin", "接口")
        IMPORT = "import", pgettext_lazy("origin", "文件导入")

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="field_values", db_index=False
    )
    field = models.ForeignKey(Field, models.PROTECT, related_name="values", db_index=False)
    value = models.JSONField(_("值"))
    source = models.CharField(_("来源"), max_length=8, choices=Source.choices)
    said_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    said_at = models.DateTimeField(_("时间"))

    unsafe_all = FieldValueQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("字段值")
        verbose_name_plural = _("字段值")
        ordering = ["field__position", "field_id"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "field"], name="field_once_per_customer")
        ]
        # Not over the value: twenty long options are more than an entry of an index may hold.
        indexes = [models.Index(fields=["field", "customer"], name="value_by_field")]

    def __str__(self) -> str:
        return f"{self.customer_id}.{self.field_id}"
