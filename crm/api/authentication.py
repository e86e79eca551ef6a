"""API tokens: ``Authorization: Bearer ck….…``; only the hash is stored."""

import hmac
from datetime import timedelta

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from crm.agents.actions import hash_key
from crm.agents.models import ApiToken, User


class TokenAuthentication(BaseAuthentication):
    """Turns a bearer token into its user; ``request.auth`` is the token row."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("send the header: Authorization: Bearer <token>")
        key = parts[1].decode("latin-1")
        if not key.isprintable() or not key.isascii():
            raise AuthenticationFailed("unknown, expired or revoked token")
        now = timezone.now()
        token = (
            ApiToken.objects.select_related("user")
            .filter(prefix=key.partition(".")[0][:12])
            .first()
        )
        if (
            token is None
            or not hmac.compare_digest(token.key_hash, hash_key(key))
            or token.revoked_at is not None
            or token.expires_at <= now
            or not token.user.is_active
        ):
            raise AuthenticationFailed("unknown, expired or revoked token")
        if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "crm.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema) -> dict:
        return {"type": "http", "scheme": "bearer"}
