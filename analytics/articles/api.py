"""How an article is read, for other systems: the same answer as the page."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.articles.figures import asked
from analytics.articles.reading import DAYS, RANGES, reading
from analytics.articles.tables import as_json
from crm.agents.access import Permission, Policy, Scope
from crm.content.models import Material


class ArticleReadingView(APIView):
    """Openings, reading, clicks by position and orders of one article; rates carry intervals."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        operation_id="article_reading",
        responses={200: OpenApiTypes.OBJECT, 404: None},
        parameters=[
            OpenApiParameter("range", int, enum=list(RANGES), description="days of openings"),
            OpenApiParameter("days", int, enum=list(DAYS), description="from a click to an order"),
        ],
    )
    def get(self, request: Request, material_id: int) -> Response:
        """Within what the account may see."""
        range_, days = asked(request.query_params)
        material = get_object_or_404(Material.objects.for_user(request.user), pk=material_id)
        found = reading(material, range_=range_, days=days, user=request.user, now=timezone.now())
        return Response(as_json(found))
