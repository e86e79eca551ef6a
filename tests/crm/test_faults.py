"""Kill points are inert in production and wherever nobody asked for them."""

import os
import signal
import subprocess
import sys

import pytest

from tests.sandbox_fixture import ROOT
from tests.test_settings import SECURE

CODE = """
from crm.shared import faults
for _passing in range(3):
    faults.point("a.place")
    print("passed", faults.guarded("a.guard"), flush=True)
"""
LOCAL = {"CHANGKE_MODE": "local", "DATABASE_URL": "postgres://changke@/changke?host=/nonexistent"}
ASKED = {"CHANGKE_KILL_AT": "a.place", "CHANGKE_GUARD_OFF": "a.guard"}


def passing(**values: str) -> subprocess.CompletedProcess:
    """A process with these settings that passes the point three times."""
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env=environment | values,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "environment",
    [
        LOCAL | ASKED,
        SECURE | ASKED,
        SECURE | ASKED | {"CHANGKE_TESTING": "1"},
        LOCAL | {"CHANGKE_TESTING": "1", "CHANGKE_KILL_AT": "another.place,a.place.more"},
    ],
    ids=["demo", "production", "production that says it tests", "tests that name another place"],
)
def test_a_point_is_passed_and_a_guard_stands(environment):
    done = passing(**environment)
    assert (done.returncode, done.stdout.split("\n")[:-1]) == (0, ["passed True"] * 3)


@pytest.mark.parametrize(("wanted", "survived"), [("a.place", 0), ("b,a.place:3", 2)])
def test_twin_under_test_settings_the_named_passing_is_the_last(wanted, survived):
    done = passing(**LOCAL, CHANGKE_TESTING="1", CHANGKE_KILL_AT=wanted)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.count("passed") == survived


def test_twin_under_test_settings_a_named_guard_is_lifted():
    done = passing(**LOCAL, CHANGKE_TESTING="1", CHANGKE_GUARD_OFF="a.guard")
    assert done.stdout.split("\n")[:-1] == ["passed False"] * 3
