"""The policy table: every URL with its roles, scope and audit flag.

Our own views carry their row (``@requires``); views of installed packages get theirs here. A URL
without a row fails the build and is refused at run time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

from crm.agents.access import CLOSED, PUBLIC, SIGNED_IN, Permission, Policy, Scope

CONFIGURE = Policy(Permission.CONFIGURE, audit=True)
API_DOCS = Policy(Permission.API_DOCS)

# By namespace or URL name of installed packages.
NAMESPACES = {"admin": CONFIGURE}
NAMES = {
    "account_login": PUBLIC,
    "account_logout": SIGNED_IN,
    "account_reauthenticate": SIGNED_IN,
    "account_change_password": Policy(Permission.PREFERENCES, Scope.OWN),
    "account_inactive": PUBLIC,
    "mfa_authenticate": PUBLIC,
    "mfa_reauthenticate": SIGNED_IN,
    "mfa_index": Policy(Permission.PREFERENCES, Scope.OWN),
    "mfa_activate_totp": Policy(Permission.PREFERENCES, Scope.OWN),
    "mfa_deactivate_totp": Policy(Permission.PREFERENCES, Scope.OWN),
    "mfa_view_recovery_codes": Policy(Permission.PREFERENCES, Scope.OWN, audit=True),
    "mfa_generate_recovery_codes": Policy(Permission.PREFERENCES, Scope.OWN, audit=True),
    "mfa_download_recovery_codes": Policy(Permission.PREFERENCES, Scope.OWN, audit=True),
    "api-schema": API_DOCS,
    "api-docs": API_DOCS,
    # Accounts are made and their passwords reset by an administrator; there is no mail to do it by.
    "account_signup": CLOSED,
    "account_email": CLOSED,
    "account_email_verification_sent": CLOSED,
    "account_confirm_email": CLOSED,
    "account_set_password": CLOSED,
    "account_reset_password": CLOSED,
    "account_reset_password_done": CLOSED,
    "account_reset_password_from_key": CLOSED,
    "account_reset_password_from_key_done": CLOSED,
    "account_confirm_login_code": CLOSED,
}


def policy_of(view: object, names: list[str], namespaces: list[str]) -> Policy | None:
    """The policy row of a resolved view, or None where nobody wrote one."""
    name = names[-1] if names else ""
    if name in NAMES:
        return NAMES[name]
    if namespaces and namespaces[0] in NAMESPACES:
        return NAMESPACES[namespaces[0]]
    own = getattr(view, "policy", None)
    if own is None and (cls := getattr(view, "view_class", None) or getattr(view, "cls", None)):
        own = getattr(cls, "policy", None)
    return own if isinstance(own, Policy) else None


@dataclass(frozen=True)
class PolicyRow:
    """One URL of the product: route, full name, the view and its policy."""

    route: str
    name: str
    view: object
    policy: Policy | None


def policy_table() -> Iterator[PolicyRow]:
    """Every URL of the product, depth first."""
    yield from _walk(get_resolver().url_patterns, "", [])


def _walk(patterns, prefix: str, namespaces: list[str]) -> Iterator[PolicyRow]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = [*namespaces, pattern.namespace] if pattern.namespace else namespaces
            yield from _walk(pattern.url_patterns, route, inner)
        elif isinstance(pattern, URLPattern):
            name = pattern.name or ""
            policy = policy_of(pattern.callback, [name], namespaces)
            yield PolicyRow(route, ":".join([*namespaces, name]), pattern.callback, policy)
