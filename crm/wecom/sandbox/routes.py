"""The endpoints that are spoken here; importing a module of routes enters its own."""

from . import (
    routes_album,
    routes_archive,
    routes_auth,
    routes_contacts,
    routes_directory,
    routes_group_statistics,
    routes_groups,
    routes_join_ways,
    routes_lesser,
    routes_links,
    routes_mass,
    routes_media,
    routes_messages,
    routes_moments,
    routes_rules,
    routes_served,
    routes_statistics,
    routes_strategies,
    routes_strategy_tags,
    routes_tags,
    routes_templates,
    routes_transfers,
    routes_uploads,
    routes_ways,
)
from .api import ROUTES, Route

MODULES = (
    routes_album,
    routes_archive,
    routes_auth,
    routes_contacts,
    routes_directory,
    routes_group_statistics,
    routes_groups,
    routes_join_ways,
    routes_lesser,
    routes_links,
    routes_mass,
    routes_media,
    routes_messages,
    routes_moments,
    routes_rules,
    routes_served,
    routes_statistics,
    routes_strategies,
    routes_strategy_tags,
    routes_tags,
    routes_templates,
    routes_transfers,
    routes_uploads,
    routes_ways,
)


def endpoints() -> dict[str, Route]:
    """By their path under /cgi-bin/."""
    return dict(sorted(ROUTES.items()))
