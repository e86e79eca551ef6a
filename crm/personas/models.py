"""Whose persona is what, the prices that are cheap and dear, and what to do with each kind."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.customers.models import Customer
from crm.personas.scoring import Persona
from crm.shared.models import ScopedManager, TimeStamped


class PersonaPlan(TimeStamped):
    """画像类型的做法: how the company treats one kind of customer."""

    persona = models.CharField(_("画像类型"), max_length=8, choices=Persona.choices, unique=True)
    approach = models.TextField(_("怎么服务"), help_text=_("例如：多给对比和早鸟价，少发高端产品"))
    topic = models.CharField(
        _("话术主题"), max_length=32, blank=True, help_text=_("素材和话术里的主题，在客户页上打开")
    )

    class Meta:
        verbose_name = _("画像类型的做法")
        verbose_name_plural = _("画像类型的做法")
        ordering = ["persona"]

    def __str__(self) -> str:
        return self.get_persona_display()


class PersonaCuts(models.Model):
    """价格分位: what a travel day cost at most and at least, of the year that ends with ``day``."""

    day = models.DateField(_("日期"), unique=True)
    low_cents = models.BigIntegerField(_("低价线（分）"))
    high_cents = models.BigIntegerField(_("高价线（分）"))
    orders = models.IntegerField(_("订单数"))

    class Meta:
        verbose_name = _("价格分位")
        verbose_name_plural = _("价格分位")
        ordering = ["-day"]

    def __str__(self) -> str:
        return str(self.day)


class CustomerPersonaQuerySet(models.QuerySet):
    def visible_to(self, user) -> "CustomerPersonaQuerySet":
        """Those of customers that the user may see."""
        return self.filter(customer__in=Customer.objects.for_user(user))


class CustomerPersona(models.Model):
    """客户画像类型: one customer's counts and what follows from them; without points no row."""

    customer = models.OneToOneField(
        Customer, models.CASCADE, primary_key=True, related_name="persona"
    )
    persona = models.CharField(_("画像类型"), max_length=8, choices=Persona.choices, blank=True)
    counts = ArrayField(models.IntegerField(), verbose_name=_("次数"))
    cuts = models.ForeignKey(PersonaCuts, models.PROTECT, related_name="+")
    as_of = models.DateTimeField(_("数据时间"))

    unsafe_all = CustomerPersonaQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("客户画像类型")
        verbose_name_plural = _("客户画像类型")
        indexes = [models.Index(fields=["persona", "customer"], name="persona_people")]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.persona}"
