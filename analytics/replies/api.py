"""Reply times for other systems: the same question and answer as the page."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.replies.queries import reply_times
from analytics.replies.question import question_from
from crm.agents.access import Permission, Policy, Scope

_SECONDS = serializers.FloatField(allow_null=True)
_COUNTS = ("turns", "answered", "unanswered", "off_hours", "customers", "customers_unanswered")
_ROW = {
    "agent_id": serializers.IntegerField(help_text="0 in the sum"),
    "agent": serializers.CharField(),
    **{name: serializers.IntegerField() for name in (*_COUNTS, "customers_off_hours")},
    "calendar_median": _SECONDS,
    "calendar_p90": _SECONDS,
    "working_median": _SECONDS,
    "working_p90": _SECONDS,
    "same_day": serializers.DictField(),
}
_ANSWER = inline_serializer(
    "RepliesAnswer",
    {
        "question": serializers.DictField(),
        "agents": inline_serializer("AgentReplies", _ROW, many=True),
        "total": inline_serializer("AllReplies", _ROW),
        "within": serializers.ListField(child=serializers.DictField()),
        "data_time": serializers.DateTimeField(),
        "definition_version": serializers.IntegerField(),
    },
)


class RepliesView(APIView):
    """How long customers waited for each agent's answer, in seconds, by calendar and at work.

    A quantile is null where too few turns were answered to know it; turns without an answer count
    as waits of at least so long.
    """

    policy = Policy(Permission.AGENTS_VIEW, Scope.AGENT)

    @extend_schema(
        responses={200: _ANSWER},
        parameters=[
            OpenApiParameter("from", str, description="first day, 2026-11-01"),
            OpenApiParameter("to", str, description="last day; yesterday where it is left out"),
            OpenApiParameter("days", int, description="days up to the last one, instead of from"),
            OpenApiParameter("department", int, many=True),
            OpenApiParameter("agent", int, many=True),
        ],
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        question = question_from(dict(request.query_params.lists()), now=now)
        return Response(reply_times(question, user=request.user, now=now).as_json())
