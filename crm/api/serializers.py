"""The shapes of requests and answers, for the schema. Values are read by ``crm.ingest``."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crm.api.limits import MAX_ITEMS

_MONEY = {"oneOf": [{"type": "string", "example": "1234.50"}, {"type": "number"}]}
_ID = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
_TIME = "ISO 8601; without an offset it is wall time in the corporation's zone"


@extend_schema_field(_MONEY)
class MoneyField(serializers.Field):
    """An amount, exact to the cent."""


@extend_schema_field(_ID)
class IdField(serializers.Field):
    """A number or text by which another system names its row."""


class CustomerItem(serializers.Serializer):
    """A customer; found by customer_id (yours, or WeCom's external_userid), else by unionid."""

    customer_id = IdField()
    name = serializers.CharField(max_length=128)
    phone = serializers.CharField(required=False)
    unionid = serializers.CharField(required=False, max_length=64)
    city = serializers.CharField(required=False, max_length=64)
    birthday = serializers.DateField(required=False)
    channel = serializers.CharField(required=False, max_length=64)
    created_at = serializers.DateTimeField(required=False, help_text=_TIME)


class OrderItem(serializers.Serializer):
    """The latest state of an order. A paid, completed or refunded one needs paid_at."""

    order_id = IdField()
    customer_id = IdField()
    status = serializers.ChoiceField(["pending", "paid", "completed", "refunded", "cancelled"])
    paid_at = serializers.DateTimeField(required=False, help_text=_TIME)
    amount = MoneyField()
    currency = serializers.CharField(required=False, max_length=3, default="CNY")
    product = serializers.CharField(required=False, max_length=128)
    destination = serializers.CharField(required=False, max_length=64)
    start_on = serializers.DateField(required=False)
    end_on = serializers.DateField(required=False)
    refunded_at = serializers.DateTimeField(required=False, help_text=_TIME)
    cancelled_at = serializers.DateTimeField(required=False, help_text=_TIME)


class EventItem(serializers.Serializer):
    """Something that happened to a customer. With event_id it is recorded once for ever."""

    customer_id = IdField()
    event = serializers.CharField(max_length=64, help_text="lower-case letters, digits, _ . -")
    at = serializers.DateTimeField(help_text=_TIME)
    event_id = serializers.CharField(required=False, max_length=120)
    agent_id = serializers.CharField(required=False, max_length=64)
    group_id = serializers.CharField(required=False, max_length=64)
    channel = serializers.CharField(required=False, max_length=64)
    amount = MoneyField(required=False)
    properties = serializers.DictField(required=False)


class CustomerBatch(serializers.Serializer):
    items = CustomerItem(many=True, max_length=MAX_ITEMS, allow_empty=False)


class OrderBatch(serializers.Serializer):
    items = OrderItem(many=True, max_length=MAX_ITEMS, allow_empty=False)


class MemberItem(serializers.Serializer):
    """A member card. The customer and the tier (code or name) must exist."""

    customer_id = IdField()
    tier = serializers.CharField(max_length=32)
    begins_on = serializers.DateField()
    ends_on = serializers.DateField(required=False, help_text="the last day; none: without end")


class MemberBatch(serializers.Serializer):
    items = MemberItem(many=True, max_length=MAX_ITEMS, allow_empty=False)


class EventBatch(serializers.Serializer):
    items = EventItem(many=True, max_length=MAX_ITEMS, allow_empty=False)


class BatchAnswer(serializers.Serializer):
    """All items were taken in."""

    received = serializers.IntegerField()
    new = serializers.IntegerField()
    changed = serializers.IntegerField()
    same = serializers.IntegerField()
    customers_opened = serializers.IntegerField(help_text="people nobody knew before")
    facts_added = serializers.IntegerField()


class ItemError(serializers.Serializer):
    """What is wrong with one item; index counts from 0."""

    index = serializers.IntegerField()
    field = serializers.CharField()
    value = serializers.CharField()
    code = serializers.CharField()
    error = serializers.CharField()
    remedy = serializers.CharField()


class Refusal(serializers.Serializer):
    """Nothing was changed."""

    error = serializers.CharField()
    code = serializers.CharField()
    field = serializers.CharField(required=False)
    count = serializers.IntegerField(required=False, help_text="problems in all")
    details = ItemError(many=True, required=False)


class EventKind(serializers.Serializer):
    """A declared kind of event."""

    code = serializers.CharField(max_length=64)
    label_zh = serializers.CharField(max_length=64)
    label_en = serializers.CharField(max_length=64)
    meaning = serializers.CharField(max_length=255)
    is_builtin = serializers.BooleanField()


class NewEventKind(serializers.Serializer):
    """A kind of your own."""

    code = serializers.RegexField(r"^[a-z0-9_.-]{1,64}$")
    label_zh = serializers.CharField(max_length=64)
    label_en = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    meaning = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
