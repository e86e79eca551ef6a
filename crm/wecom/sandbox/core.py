"""The sandbox as a whole: what its parts share, and what a request goes through."""

import json
import re
import secrets
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

from . import archive, links, mass, moments, transfers, world
from .api import Call, Raw, Upload
from .callbacks_out import Postman
from .clock import Clock
from .cursors import Cursors
from .dice import Dice
from .faults import Faults
from .life import Life
from .limits import Limits
from .routes import endpoints
from .routes_auth import check_token
from .store import Store
from .wire import Refused, refusal, success

# What time alone brings about.
SETTLERS = (moments.settle, mass.settle, links.settle, transfers.settle, archive.settle)
FOR_ALL = ("getcallbackip", "get_api_domain_ip")
ESCAPED_UNICODE = re.compile(rb"\\u(?!00[0-7])[0-9a-fA-F]{4}")


@dataclass(frozen=True)
class Config:
    """What the operator chose on the command line."""

    store: Path
    port: int = 8300
    host: str = "127.0.0.1"
    callback_url: str = ""
    corp_id: str = "wwsandbox"
    secrets: tuple[str, ...] = ("sandbox-secret",)
    archive_secret: str = ""  # Without one there is no archive.
    agent_id: int = 1000002
    token: str = ""  # Shared with the receiver, as typed into WeCom's console.
    aes_key: str = "A" * 43
    plan: world.Plan = field(default_factory=world.Plan)
    life: bool = True
    speed: float = 1.0
    export_files: Path | None = None


@dataclass(frozen=True)
class Seen:
    """One answered request, for the page."""

    at: float
    method: str
    errcode: int
    seconds: float


class Sandbox:
    """Everything of one process. Handlers get it through their call."""

    def __init__(self, config: Config):
        self.config = config
        self.store = Store(config.store)
        self.clock = Clock(self.store)
        self.cursors = Cursors(self.store, self.clock)
        self.faults = Faults(config.plan.seed)
        self.limits = Limits(self.clock)
        self.postman = Postman(self)
        self.dice = Dice(secrets.randbits(64))
        self.stopping = threading.Event()
        self.recent: deque[Seen] = deque(maxlen=40)
        self.counts: Counter[str] = Counter()
        self.routes = endpoints()
        self.generate()
        self.life = Life(self)

    def generate(self) -> None:
        """Make the world once; later starts find it in the store."""
        if self.store.get("epoch") is None:
            with self.store.write() as db:
                world.generate(self.config.plan, epoch=self.clock.now(), db=db, store=self.store)
                self.store.put("cursor_key", secrets.token_hex(16))
        if not self.store.pristine.exists():  # Also when we were killed just after generating.
            self.store.keep_pristine()

    def reset(self) -> None:
        """The world as it was born; faults, limits and clock as after a fresh start."""
        with self.store.lock:
            self.store.reset()
            self.clock.move(offset=0.0)
            self.faults.remove()
            self.limits.clear()
            self.postman.reset()
            self.life.reset()
            self.recent.clear()
            self.counts.clear()

    def start(self) -> None:
        self.postman.start()
        self.life.start()

    def stop(self) -> None:
        self.stopping.set()
        self.postman.stop()
        self.life.stop()
        self.store.close()

    def new_id(self, prefix: str) -> str:
        """Opaque and never given before, also across restarts."""
        return self.dice.key(prefix, 22) + f"{self.store.number('ids'):08d}"

    def summary(self) -> dict[str, int]:
        """How much of everything there is."""
        with self.store.read() as db:
            return world.counts(db)

    def settle(self) -> None:
        """Let everything happen that is due by the virtual clock."""
        with self.store.write() as db:
            for settle in SETTLERS:
                settle(self, db)

    def answer(
        self,
        method: str,
        verb: str,
        query: dict[str, str],
        raw: bytes,
        upload: Upload | None = None,
    ) -> tuple[dict | Raw, list[int]]:
        """Carry out one API request; the second value lists its ledger rows."""
        began = time.monotonic()
        effects: list[int] = []
        try:
            outcome, effects = self._carry_out(method, verb, query, raw, upload)
        except Refused as refused:
            outcome = refusal(refused.errcode, refused.detail)
        errcode = outcome["errcode"] if isinstance(outcome, dict) else 0
        self.note(method, errcode, time.monotonic() - began)
        return outcome, effects

    def note(self, method: str, errcode: int, seconds: float) -> None:
        self.counts[method] += 1
        self.recent.append(Seen(self.clock.now(), method, errcode, seconds))

    def _carry_out(self, method, verb, query, raw, upload) -> tuple[dict | Raw, list[int]]:
        route = self.routes[method]
        if verb != route.verb:
            raise Refused(43001 if route.verb == "GET" else 43002)
        app = ""
        if route.token:
            with self.store.read() as db:
                secret = check_token(db, query.get("access_token", ""), self.clock.now())
            app = self._app(method, secret)
        self.limits.spend(method)
        body = {} if upload or verb == "GET" else parse(raw)
        with self.store.write() as db:
            call = Call(self, db, method, app, query, body, upload)
            answer = route.handler(call)
        self.postman.wake()
        return answer if isinstance(answer, Raw) else success(**answer), call.effects

    def _app(self, method: str, secret: str) -> str:
        """Who calls; the archive's secret opens the archive's calls, and these alone."""
        for_archive = secret == self.config.archive_secret
        if for_archive != method.startswith("msgaudit/") and method not in FOR_ALL:
            raise Refused(48002)
        return "app-archive" if for_archive else f"app-{self.config.secrets.index(secret) + 1}"


def parse(raw: bytes) -> dict:
    """The JSON object of a POST; escaped names are refused as the platform does."""
    if ESCAPED_UNICODE.search(raw):
        raise Refused(40033)
    try:
        body = json.loads(raw.decode() or "{}")  # Bytes would let lone surrogates through.
    except (ValueError, RecursionError):
        raise Refused(47001) from None
    if not isinstance(body, dict):
        raise Refused(47001)
    return body
