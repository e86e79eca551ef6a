"""Production does not start insecurely, and says all that is missing at once."""

import os
import subprocess
import sys

import pytest

from tests.sandbox_fixture import ROOT

SECURE = {
    "CHANGKE_MODE": "production",
    "DATABASE_URL": "postgres://changke@/changke?host=/nonexistent",
    "SECRET_KEY": "k" * 50,
    "ALLOWED_HOSTS": "changke.example",
    "SITE_URL": "https://changke.example",
    "WECOM_BASE_URL": "https://qyapi.weixin.qq.com",
    "WECOM_CORP_ID": "wwexample",
    "WECOM_SECRET": "secret",
    "WECOM_AGENT_ID": "1000002",
    "WECOM_CALLBACK_TOKEN": "token",
    "WECOM_CALLBACK_AES_KEY": "a" * 43,
}


def start(**changes: str | None) -> subprocess.CompletedProcess:
    """Load the settings in a process of its own, as production would."""
    values = {name: value for name, value in (SECURE | changes).items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", "import config.settings as s; print(s.SESSION_COOKIE_NAME)"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **values},
        capture_output=True,
        text=True,
    )


def test_a_complete_environment_starts_with_cookies_for_this_host_only():
    started = start()
    assert (started.returncode, started.stdout.strip()) == (0, "__Host-changke-session")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
        ({"SITE_URL": "http://changke.example"}, "SITE_URL"),
        ({"WECOM_BASE_URL": "http://127.0.0.1:8300"}, "WECOM_BASE_URL"),
        ({"QUESTION_ENGINE": "abacus"}, "columns or clickhouse"),
        ({"QUESTION_ENGINE": "clickhouse"}, "needs CLICKHOUSE_URL"),
        ({"WECOM_SECRET": None, "WECOM_AGENT_ID": None}, "WECOM_SECRET is missing; WECOM_AGENT_ID"),
    ],
)
def test_what_is_insecure_is_named_and_nothing_starts(changes, words):
    refused = start(**changes)
    assert refused.returncode != 0
    assert "not starting insecurely" in refused.stderr
    assert words in refused.stderr
