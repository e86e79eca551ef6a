"""The endpoints that are spoken here; importing a module of routes enters its own."""

from . import (
    routes_auth,
    routes_contacts,
    routes_directory,
    routes_groups,
    routes_join_ways,
    routes_links,
    routes_mass,
    routes_media,
    routes_messages,
    routes_moments,
    routes_statistics,
    routes_tags,
    routes_transfers,
    routes_ways,
)
from .api import ROUTES, Route

MODULES = (
    routes_auth,
    routes_contacts,
    routes_directory,
    routes_groups,
    routes_join_ways,
    routes_links,
    routes_mass,
    routes_media,
    routes_messages,
    routes_moments,
    routes_statistics,
    routes_tags,
    routes_transfers,
    routes_ways,
)


def endpoints() -> dict[str, Route]:
    """By their path under /cgi-bin/."""
    return dict(sorted(ROUTES.items()))
