"""The policy row of an API view, asked after the token is known."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from crm.agents.access import Permission, Policy
from crm.agents.models import ApiToken


class PolicyPermission(BasePermission):
    """Role must admit, and a token must name the permission. No policy: refused."""

    message = "this account or token lacks the permission that the policy table asks for"

    def has_permission(self, request: Request, view: Any) -> bool:
        policy = getattr(view, "policy", Policy(Permission.API_DOCS))
        if not policy.admits(request.user):
            return False
        if isinstance(request.auth, ApiToken) and policy.permission is not None:
            return policy.permission.name in request.auth.permissions
        return True
