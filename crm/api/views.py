"""Orders, customers and events in; kinds of events."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext, override
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crm.agents.access import Permission, Policy
from crm.api import serializers
from crm.api.batches import take_batch
from crm.api.idempotency import HEADER, answer_once, digest_of, key_of
from crm.api.limits import check_size, count_request
from crm.api.parsers import BoundedJSONParser
from crm.customers.models import Customer
from crm.fields.actions import set_values
from crm.fields.models import FieldValue
from crm.fields.queries import values_of
from crm.fields.values import FieldRefused
from crm.ingest.kinds import CUSTOMERS, EVENTS, MEMBERS, ORDERS, RowKind
from crm.timeline.actions import declare_kind
from crm.timeline.models import FactKind

KEY_HEADER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description=(
        "1 to 128 visible ASCII characters. The same key with the same body gives the same answer "
        "for 24 hours and has one effect; with another body it is refused."
    ),
)
REFUSALS = {
    400: serializers.Refusal,
    401: serializers.Refusal,
    403: serializers.Refusal,
    413: serializers.Refusal,
    422: serializers.Refusal,
    429: serializers.Refusal,
}


class CountedView(APIView):
    """Bounded, counted, and answering in the language of the token's account."""

    policy = Policy(Permission.API_INGEST)
    parser_classes = [BoundedJSONParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        check_size(request)
        super().initial(request, *args, **kwargs)
        count_request(request)


class BatchView(CountedView):
    """A batch of items of one kind."""

    kind: RowKind

    def take(self, request: Request) -> Response:
        """All items or none; once per Idempotency-Key."""
        now = timezone.now()
        with override(request.user.language):
            key, digest = key_of(request), digest_of(request)
            data = request.data
            if key is None:
                status, body = take_batch(self.kind, data, now=now, by=request.user)
                return Response(body, status=status)
            (status, body), repeated = answer_once(
                lambda: take_batch(self.kind, data, now=now, by=request.user),
                key=key,
                digest=digest,
                user=request.user,
                now=now,
            )
        headers = {"Idempotent-Replay": "true"} if repeated else None
        return Response(body, status=status, headers=headers)


class CustomerBatchView(BatchView):
    kind = CUSTOMERS

    @extend_schema(
        operation_id="send_customers",
        parameters=[KEY_HEADER],
        request=serializers.CustomerBatch,
        responses={200: serializers.BatchAnswer} | REFUSALS,
    )
    def post(self, request: Request) -> Response:
        """Take in up to 1,000 customers, all or none."""
        return self.take(request)


class OrderBatchView(BatchView):
    kind = ORDERS

    @extend_schema(
        operation_id="send_orders",
        parameters=[KEY_HEADER],
        request=serializers.OrderBatch,
        responses={200: serializers.BatchAnswer} | REFUSALS,
    )
    def post(self, request: Request) -> Response:
        """Take in the latest state of up to 1,000 orders, all or none."""
        return self.take(request)


class MemberBatchView(BatchView):
    kind = MEMBERS

    @extend_schema(
        operation_id="send_members",
        parameters=[KEY_HEADER],
        request=serializers.MemberBatch,
        responses={200: serializers.BatchAnswer} | REFUSALS,
    )
    def post(self, request: Request) -> Response:
        """Take in the latest state of up to 1,000 member cards, all or none."""
        return self.take(request)


class EventBatchView(BatchView):
    kind = EVENTS

    @extend_schema(
        operation_id="send_events",
        parameters=[KEY_HEADER],
        request=serializers.EventBatch,
        responses={200: serializers.BatchAnswer} | REFUSALS,
    )
    def post(self, request: Request) -> Response:
        """Append up to 1,000 events, all or none; new event names are declared on the way."""
        return self.take(request)


class EventKindView(CountedView):
    """The declared catalogue of kinds."""

    @extend_schema(
        operation_id="list_event_kinds",
        responses={200: serializers.EventKind(many=True)} | REFUSALS,
    )
    def get(self, request: Request) -> Response:
        """All kinds, built-in ones first."""
        return Response([_kind(kind) for kind in FactKind.objects.all()])

    @extend_schema(
        operation_id="declare_event_kind",
        request=serializers.NewEventKind,
        responses={200: serializers.EventKind, 201: serializers.EventKind} | REFUSALS,
    )
    def post(self, request: Request) -> Response:
        """Declare a kind of your own; a code that exists is answered as it stands, with 200."""
        wanted = serializers.NewEventKind(data=request.data)
        wanted.is_valid(raise_exception=True)
        existed = FactKind.objects.filter(code=wanted.validated_data["code"]).exists()
        kind = declare_kind(**wanted.validated_data, emitter="api")
        return Response(_kind(kind), status=200 if existed else 201)


def _kind(kind: FactKind) -> dict[str, Any]:
    return {
        "code": kind.code,
        "label_zh": kind.label_zh,
        "label_en": kind.label_en,
        "meaning": kind.meaning,
        "is_builtin": kind.is_builtin,
    }


class CustomerFieldsView(CountedView):
    """What the company's own fields say of one customer."""

    @extend_schema(responses={200: OpenApiTypes.OBJECT, 404: serializers.Refusal} | REFUSALS)
    def get(self, request: Request, customer_no: str) -> Response:
        """Every value that stands, by the key of its field."""
        return Response(self._told(self._customer(request, customer_no)))

    @extend_schema(
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT, 404: serializers.Refusal} | REFUSALS,
    )
    def put(self, request: Request, customer_no: str) -> Response:
        """Write the fields that are named, all or none; null empties one. Repeatable."""
        with override(request.user.language):
            customer = self._customer(request, customer_no)
            if not isinstance(request.data, dict):
                raise FieldRefused(gettext('请发送一个对象，例如 {"level": "gold"}'))
            set_values(
                customer=customer,
                values=request.data,
                source=FieldValue.Source.API,
                by=request.user,
                now=timezone.now(),
            )
            return Response(self._told(customer))

    def _customer(self, request: Request, customer_no: str) -> Customer:
        known = Customer.objects.for_user(request.user)
        return get_object_or_404(known, customer_no=customer_no)

    def _told(self, customer: Customer) -> dict[str, Any]:
        return {row.field.key: row.value for row in values_of(customer)}
