"""What rows said before they were changed, so that a segment can be asked of any past instant.

Written by triggers (migration 0007), which catch every writer. A row holds the values that were
true until ``until``. Figures that follow from facts, orders and stays are folded anew instead of
kept: they change with every message. No foreign keys: a past row belongs to whom it belonged then.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Past(models.Model):
    """One earlier state of the row ``row_id``, true until ``until`` (excluded).

    ``came_at`` is when the row itself was written first.
    """

    row_id = models.BigIntegerField()
    until = models.DateTimeField()
    came_at = models.DateTimeField()

    class Meta:
        abstract = True
        indexes = [models.Index(fields=["row_id", "until"], name="%(class)s_row")]

    def __str__(self) -> str:
        return f"#{self.row_id} –{self.until:%Y-%m-%d %H:%M}"


class CustomerPast(Past):
    """What a customer's row said of what facts do not tell."""

    stage = models.CharField(max_length=16)
    channel_id = models.BigIntegerField(null=True)
    gender = models.SmallIntegerField()
    city = models.CharField(max_length=64)
    birthday = models.DateField(null=True)
    is_friend = models.BooleanField()
    friend_since = models.DateTimeField(null=True)
    tag_ids = ArrayField(models.IntegerField())

    class Meta(Past.Meta):
        verbose_name = _("客户的以往状态")
        verbose_name_plural = _("客户的以往状态")


class TheirPast(Past):
    """The same of a row that belongs to a customer."""

    customer_id = models.BigIntegerField()

    class Meta(Past.Meta):
        abstract = True
        indexes = [
            *Past.Meta.indexes,
            models.Index(fields=["customer_id"], name="%(class)s_customer"),
        ]


class ContactPast(TheirPast):
    """What a relation was."""

    agent_id = models.BigIntegerField()
    added_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta(TheirPast.Meta):
        verbose_name = _("好友关系的以往状态")
        verbose_name_plural = _("好友关系的以往状态")


class MembershipPast(TheirPast):
    """What a stay in a group was."""

    group_id = models.BigIntegerField()
    joined_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)

    class Meta(TheirPast.Meta):
        verbose_name = _("群成员的以往状态")
        verbose_name_plural = _("群成员的以往状态")


class OrderPast(TheirPast):
    """What an order was."""

    status = models.CharField(max_length=16)
    paid_at = models.DateTimeField(null=True)
    amount_cents = models.BigIntegerField()
    start_on = models.DateField(null=True)
    end_on = models.DateField(null=True)

    class Meta(TheirPast.Meta):
        verbose_name = _("订单的以往状态")
        verbose_name_plural = _("订单的以往状态")


class PastSince(models.Model):
    """Since when earlier states are kept; one row, written by the migration."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M}"
