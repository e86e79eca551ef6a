"""Where the demo listens, and the note it leaves about that for others."""

import json
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WEB_PORT, SANDBOX_PORT = 8200, 8300
TRIED = 50


class NoAddress(Exception):
    """There is no port to listen on; says which were tried."""


@dataclass(frozen=True)
class Addresses:
    """Host and ports of one run."""

    host: str
    port: int
    sandbox_port: int

    @property
    def site(self) -> str:
        """What a browser on this machine opens."""
        everywhere = set(self.host) <= set("0.:")  # 0.0.0.0 and ::
        host = "127.0.0.1" if everywhere else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def wecom_probe(self) -> str:
        """Answers even without a token, once the sandbox is up."""
        return f"{self.sandbox}/cgi-bin/getcallbackip"


def choose(env: Mapping[str, str], say: Callable[[str], None]) -> Addresses:
    """Ports from the environment, or the next free ones, said so."""
    host = _resolved(env.get("HOST") or "127.0.0.1")
    web = _number(env, "PORT", WEB_PORT)
    port = _next_free(host, web)
    if port != web:
        say(f"Port {web} is taken; using {port}.")
    sandbox = _number(env, "SANDBOX_PORT", SANDBOX_PORT)
    return Addresses(host, port, _next_free("127.0.0.1", sandbox, but=port))


def _resolved(host: str) -> str:
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]
    except OSError as error:
        raise NoAddress(f"HOST {host!r} is no address of this machine: {error}") from error


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isdigit() and 0 < int(text) < 65_536):
        raise NoAddress(f"{name} must be a port number, not {text!r}.")
    return int(text)


def _next_free(host: str, first: int, but: int = 0) -> int:
    for port in range(first, min(first + TRIED, 65_536)):
        if port != but and _is_free(host, port):
            return port
    raise NoAddress(f"No free port at {host} from {first} on.")


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(url: str) -> bool:
    """Whether a page of our own machine answers 200; no proxy is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError, urllib.error.URLError), opener.open(url, timeout=5) as answer:
        return answer.status == 200
    return False


def write_down(state: Path, at: Addresses, children: Mapping[str, subprocess.Popen]) -> None:
    """Leave a note: for a second start, for commands, and for whoever tidies up after a kill."""
    pids = {name: child.pid for name, child in children.items()}
    draft = state / "demo.json.new"
    draft.write_text(json.dumps({"site": at.site, "sandbox": at.sandbox, "children": pids}))
    draft.rename(state / "demo.json")
