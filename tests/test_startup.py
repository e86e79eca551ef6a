"""What a process loads before it does anything: little, because every command and worker pays."""

import os
import pkgutil
import subprocess
import sys
from importlib import import_module

from django.urls import get_resolver

import analytics
from analytics.figures import registry

# Each takes from half a second to a second and some 50 MB, and few processes ever use them.
HEAVY = {"numba", "scipy", "plotly", "openpyxl", "chdb"}


def test_a_process_begins_without_numba_scipy_and_plotly():
    code = "import django, sys; django.setup(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "crm.customers.models" in loaded
    assert not HEAVY & loaded


def test_whoever_serves_pages_knows_every_figure():
    assert get_resolver().url_patterns
    known = registry.names()
    for module in pkgutil.walk_packages(analytics.__path__, "analytics."):
        if ".management" not in module.name and ".bench" not in module.name:
            import_module(module.name)
    assert registry.names() == known
    assert len(known) > 20
