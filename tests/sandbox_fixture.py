"""The WeCom sandbox as a real process, for tests that speak HTTP with it.

One process serves the whole session with a small world (6 agents, 60 customers, 6 groups, nothing
happens by itself); every test starts from that world as it was born.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from config.processes import spawn
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent
SMALL = ["--agents", "6", "--customers", "60", "--groups", "6", "--no-life"]


class SandboxFailed(Exception):
    """The control API refused."""


class SandboxProcess:
    """A running sandbox and the handles that tests pull."""

    corp_id = "wwsandbox"
    secret = "sandbox-secret"
    archive_secret = "sandbox-archive-secret"
    agent_id = 1000002
    token = "sandboxtoken"
    aes_key = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"

    def __init__(self, store: Path, *options: str):
        self.store = store
        self.options = options or tuple(SMALL)
        self.process: subprocess.Popen | None = None
        self.url = ""
        self.start()

    def start(self) -> None:
        """Start, or start again on the same store."""
        self.process = spawn(
            [
                *(sys.executable, str(ROOT / "crm" / "wecom" / "sandbox"), "--port", "0"),
                *("--store", str(self.store), "--corp-id", self.corp_id, "--secret", self.secret),
                *("--agent-id", str(self.agent_id), "--token", self.token),
                *("--aes-key", self.aes_key, *self.options),
            ],
            log=self.store.with_suffix(".log"),
            answers=True,
        )
        announced = self.process.stdout.readline().decode()
        assert announced.startswith("Sandbox: "), "the sandbox did not start"
        self.url = announced.split()[1].rstrip("/")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process.stdout.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)
        self.process.stdout.close()

    # The operator's hand

    def control(self, path: str, /, *, verb: str = "POST", **body: Any) -> Any:
        """`control("clock", advance=3600)`, `control("faults", verb="DELETE")`."""
        request = Request(
            f"{self.url}/_sandbox/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=verb,
        )
        try:
            with urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise SandboxFailed(error.read().decode()) from error

    def read(self, path: str, **query: Any) -> Any:
        """`read("state")`, `read("callbacks", state="lost")`."""
        with urlopen(f"{self.url}/_sandbox/{path}?{urlencode(query)}", timeout=30) as answer:
            return json.load(answer)

    def ledger(self, method: str = "") -> list[dict]:
        """Applied effects, oldest first."""
        return self.read("ledger", method=method)

    def step(self, kind: str, **given: Any) -> Any:
        """Exactly one act now: `step("add", userid="li.ting", state="store-code")`."""
        return self.control("step", kind=kind, **given)

    def fault(self, method: str, kind: str, **more: Any) -> int:
        """A bad day for an endpoint: `fault("externalcontact/*", "errcode", errcode=45009)`."""
        return self.control("faults", method=method, kind=kind, **more)["id"]

    def send_callbacks_to(self, url: str) -> bool:
        """Save the receiver's address; True when it passed the check."""
        return self.control("callback", url=url)["verified"]

    def delivered(self, timeout: float = 10) -> list[dict]:
        """All callbacks, once none is waiting any more."""
        eventually(lambda: not self._waiting(), timeout=timeout)
        return self.read("callbacks")[::-1]

    def _waiting(self) -> bool:
        """In one look: an event passes from pending to sending and back."""
        by_state = self.read("state")["callbacks"]
        return not by_state.keys().isdisjoint({"pending", "sending"})

    # The API, for tests that need no client

    def access_token(self) -> str:
        return self.get("gettoken", corpid=self.corp_id, corpsecret=self.secret)["access_token"]

    def archive_token(self) -> str:
        """For `msgaudit/*`, which the other secrets do not open."""
        answer = self.get("gettoken", corpid=self.corp_id, corpsecret=self.archive_secret)
        return answer["access_token"]

    def get(self, path: str, **query: Any) -> dict:
        with urlopen(f"{self.url}/cgi-bin/{path}?{urlencode(query)}", timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, token: str, **body: Any) -> dict:
        request = Request(
            f"{self.url}/cgi-bin/{path}?access_token={token}",
            data=json.dumps(body, ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("sandbox"))
    yield process
    process.stop()


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxProcess:
    """A WeCom with a small world, as it was born."""
    sandbox_process.control("reset")
    return sandbox_process
