"""One shape for every refusal of the API: ``{"error", "code", "field"?, "details"?}``."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as default_handler

from crm.shared.errors import DomainError


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DomainErrors become 422; DRF's own errors keep their status and gain a plain sentence."""
    if isinstance(exc, DomainError):
        body = {"error": str(exc), "code": exc.code}
        if exc.field:
            body["field"] = exc.field
        return Response(body, status=422)
    response = default_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, exceptions.ValidationError):
        error = _("请求内容有误，未做任何改动")
        response.data = {"error": error, "code": "invalid", "details": response.data}
    elif isinstance(response.data, dict) and "detail" in response.data:
        detail = response.data["detail"]
        response.data = {"error": str(detail), "code": getattr(detail, "code", "error")}
    return response
