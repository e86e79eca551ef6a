"""Orders and routes."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.customers.models import Customer
from crm.shared.models import ScopedManager, TimeStamped


class OrderQuerySet(models.QuerySet):
    def paid(self) -> "OrderQuerySet":
        """Orders whose money the company has: refunded ones no longer count."""
        return self.filter(status__in=[Order.Status.PAID, Order.Status.COMPLETED])

    def visible_to(self, user) -> "OrderQuerySet":
        """Orders of customers that the user may see."""
        return self.filter(customer__in=Customer.objects.for_user(user))


class Order(TimeStamped):
    """订单: its latest state as the order system told us."""

    class Status(models.TextChoices):
        PENDING = "pending", _("待付款")
        PAID = "paid", _("已付款")
        COMPLETED = "completed", _("已完成")
        REFUNDED = "refunded", _("已退款")
        CANCELLED = "cancelled", _("已取消")

    order_no = models.CharField(_("订单号"), max_length=64, unique=True)
    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="orders", db_index=False, verbose_name=_("客户")
    )
    status = models.CharField(_("状态"), max_length=16, choices=Status.choices)
    paid_at = models.DateTimeField(_("付款时间"), null=True, blank=True)
    amount_cents = models.BigIntegerField(_("金额（分）"))
    currency = models.CharField(_("币种"), max_length=3, default="CNY")
    product = models.CharField(_("产品"), max_length=128, blank=True)
    destination = models.CharField(_("目的地"), max_length=64, blank=True)
    start_on = models.DateField(_("出发日期"), null=True, blank=True)
    end_on = models.DateField(_("返回日期"), null=True, blank=True)

    unsafe_all = OrderQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("订单")
        verbose_name_plural = _("订单")
        indexes = [models.Index(fields=["customer", "-paid_at"], name="order_of_customer")]
        constraints = [
            models.CheckConstraint(condition=Q(amount_cents__gte=0), name="order_amount_positive"),
            models.CheckConstraint(
                condition=~Q(status__in=["paid", "completed", "refunded"])
                | Q(paid_at__isnull=False),
                name="paid_orders_have_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.order_no


class Route(TimeStamped):
    """线路: a product of the travel agency, from its product system."""

    route_no = models.CharField(_("线路号"), max_length=64, unique=True)
    title = models.CharField(_("名称"), max_length=255)
    destination = models.CharField(_("目的地"), max_length=64, blank=True)
    departure_city = models.CharField(_("出发城市"), max_length=64, blank=True)
    days = models.SmallIntegerField(_("天数"))
    price_cents = models.BigIntegerField(_("价格（分）"))
    themes = ArrayField(models.CharField(max_length=32), default=list, verbose_name=_("主题"))

    class Meta:
        verbose_name = _("线路")
        verbose_name_plural = _("线路")
        indexes = [models.Index(fields=["destination", "days"], name="route_destination")]

    def __str__(self) -> str:
        return self.title
