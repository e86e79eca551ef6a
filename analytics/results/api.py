"""Results of a send for other systems: the same answer as the page."""

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.results.clicks import clicks
from analytics.results.comparing import DAYS, DEFINITION_VERSION
from analytics.results.figures import days_from
from analytics.results.group_posts import GROUP_POST_VERSION, group_posts
from analytics.results.judging import judge
from analytics.results.moment_judging import judge_moment
from analytics.results.post_figures import range_from
from analytics.results.posts import accounts
from crm.agents.access import Permission, Policy, Scope
from crm.moments.models import Moment
from crm.outreach.models import MassSend

_ANSWER = inline_serializer(
    "SendResults",
    {
        "send": serializers.IntegerField(),
        "days": serializers.IntegerField(),
        "ends_at": serializers.DateTimeField(),
        "is_over": serializers.BooleanField(),
        "status": serializers.ChoiceField(
            choices=["answered", "crossed", "too_early", "unproven", "sample_ratio"]
        ),
        "looks": serializers.DictField(),
        "arms": serializers.DictField(child=serializers.IntegerField()),
        "control": serializers.CharField(allow_null=True),
        "srm": serializers.DictField(allow_null=True),
        "results": serializers.ListField(child=serializers.DictField()),
        "without_control": serializers.DictField(),
        "contamination": serializers.DictField(child=serializers.IntegerField()),
        "clicks": serializers.ListField(child=serializers.DictField()),
        "definition_version": serializers.IntegerField(),
    },
)


_POST = inline_serializer(
    "FollowedPost",
    {
        "agent": serializers.CharField(),
        "at": serializers.DateTimeField(),
        "moment": serializers.IntegerField(allow_null=True),
        "deletions": serializers.IntegerField(),
        "usual": serializers.FloatField(),
        "p_value": serializers.FloatField(),
        "is_high": serializers.BooleanField(),
    },
    many=True,
)


class PostsView(APIView):
    """Posts to Moments of the last ``range`` (30 or 90) days, and deletions within 48 hours."""

    policy = Policy(Permission.API_FIGURES, Scope.AGENT)

    @extend_schema(
        responses={
            200: inline_serializer(
                "FollowedPosts",
                {
                    "range": serializers.IntegerField(),
                    "warned": serializers.ListField(child=serializers.CharField()),
                    "posts": _POST,
                    "definition_version": serializers.IntegerField(),
                },
            )
        },
        parameters=[OpenApiParameter("range", int, description="30 or 90 days")],
    )
    def get(self, request: Request) -> Response:
        days = range_from(request.query_params)
        found = accounts(request.user, days=days, now=timezone.now())
        return Response(
            {
                "range": days,
                "warned": [account.agent for account in found if account.is_warned],
                "posts": [
                    {
                        "agent": account.agent,
                        "at": post.at,
                        "moment": post.moment_id,
                        "deletions": after.deletions,
                        "usual": after.usual,
                        "p_value": after.p_value,
                        "is_high": after.is_high,
                    }
                    for account in found
                    for post, after in account.posts
                ],
                "definition_version": DEFINITION_VERSION,
            }
        )


class MomentResultsView(APIView):
    """What a post earned against its control, after ``days`` (2, 7, 14 or 30) days."""

    policy = Policy(Permission.API_FIGURES, Scope.MOMENT)

    @extend_schema(
        operation_id="moment_results",
        responses={200: OpenApiTypes.OBJECT, 404: None},
        parameters=[OpenApiParameter("days", int, enum=list(DAYS))],
    )
    def get(self, request: Request, moment_id: int) -> Response:
        """`unproven` where no control was drawn."""
        moment = Moment.objects.for_user(request.user).filter(pk=moment_id).first()
        if moment is None:
            raise Http404
        days = days_from(request.query_params)
        found = judge_moment(moment, days=days, user=request.user, now=timezone.now())
        if found is None:
            return Response({"moment": moment.pk, "days": days, "status": "unproven"})
        return Response(found.as_json())


class SendResultsView(APIView):
    """What a send earned against its control, and its links, after ``days`` (2, 7, 14, 30) days."""

    policy = Policy(Permission.API_FIGURES, Scope.SEND)

    @extend_schema(responses={200: _ANSWER})
    def get(self, request: Request, send_id: int) -> Response:
        seen = MassSend.objects.for_user(request.user).filter(target=MassSend.Target.CUSTOMERS)
        send = seen.filter(pk=send_id).first()
        if send is None:
            raise Http404
        days = days_from(request.query_params)
        found = judge(send, days=days, user=request.user, now=timezone.now())
        links = clicks(send, days=days, user=request.user)
        return Response(found.as_json() | {"clicks": [row.as_json() for row in links]})


class GroupPostsView(APIView):
    """What a post in groups was followed by within 24 hours, group by group; [] for other sends."""

    policy = Policy(Permission.API_FIGURES, Scope.SEND)

    @extend_schema(
        responses={
            200: inline_serializer(
                "GroupPosts",
                {
                    "send": serializers.IntegerField(),
                    "groups": serializers.ListField(child=serializers.DictField()),
                    "definition_version": serializers.IntegerField(),
                },
            )
        }
    )
    def get(self, request: Request, send_id: int) -> Response:
        send = MassSend.objects.for_user(request.user).filter(pk=send_id).first()
        if send is None:
            raise Http404
        found = group_posts(send, user=request.user, now=timezone.now())
        return Response(
            {
                "send": send.pk,
                "groups": [post.as_json() for post in found],
                "definition_version": GROUP_POST_VERSION,
            }
        )
