"""Callbacks to the receiver: encrypted, 5 s to answer, three retries, then lost for ever.

Rows are written in the transaction of the change they tell of; a few threads deliver them. The
order is not promised by the platform, and less so with `reorder_seconds`.
"""

import http.client
import secrets
import sqlite3
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from .crypto import MessageCrypt
from .dice import Dice

if TYPE_CHECKING:
    from .core import Sandbox

ANSWER_SECONDS = 5.0
CHECK_SECONDS = 1.0
TRIES = 4  # The first and three retries.
THREADS = 4
DEFAULTS = {"duplicate": 0.0, "reorder_seconds": 0.0, "retry_seconds": 1.0, "paused": False}


class Undelivered(Exception):
    """No 200 came back in time."""


class Postman:
    """Takes due rows and delivers them."""

    def __init__(self, sandbox: "Sandbox"):
        self.sandbox = sandbox
        config = sandbox.config
        self.url = config.callback_url
        self.verified = False
        self.crypt = MessageCrypt(
            token=config.token, aes_key=config.aes_key, receive_id=config.corp_id
        )
        self.dice = Dice(config.plan.seed)
        self.options = dict(DEFAULTS)
        self.bell = threading.Condition()
        self.stopping = False
        self.threads: list[threading.Thread] = []

    def reset(self) -> None:
        """As after a fresh start, also whom it tells."""
        self.options = dict(DEFAULTS)
        self.url, self.verified = self.sandbox.config.callback_url, False

    def start(self) -> None:
        with self.sandbox.store.write() as db:  # What a killed process was about to send.
            db.execute("update callbacks set state = 'pending' where state = 'sending'")
        for _ in range(THREADS):
            thread = threading.Thread(target=self._deliver_for_ever, daemon=True)
            thread.start()
            self.threads.append(thread)

    def stop(self) -> None:
        self.stopping = True
        self.wake()
        for thread in self.threads:
            thread.join(timeout=ANSWER_SECONDS + 1)

    def wake(self) -> None:
        with self.bell:
            self.bell.notify_all()

    def tell(
        self, db: sqlite3.Connection, event: str, **fields: str | int | list[str] | dict
    ) -> int:
        """Queue one event; empty fields are left out, as the platform does."""
        at = int(self.sandbox.clock.now())
        xml = event_xml(self.sandbox.config.corp_id, event, at, fields)
        name = "/".join(str(part) for part in (event, fields.get("ChangeType", "")) if part)
        first = self.queue(db, at, name, xml)
        if self.dice.happens(self.options["duplicate"]):
            self.queue(db, at, name, xml)
        return first

    def queue(self, db: sqlite3.Connection, at: float, name: str, xml: str) -> int:
        due = time.time() + self.dice.random() * self.options["reorder_seconds"]
        state = "pending" if self.url else "unsent"  # Nobody has subscribed.
        return db.execute(
            "insert into callbacks (at, event, xml, due_real, state) values (?, ?, ?, ?, ?)",
            (at, name, xml, due, state),
        ).lastrowid

    def check_url(self) -> bool:
        """What the console does when the address is saved: GET, 1 s, the bare plaintext."""
        if not self.url:
            return False
        plain = str(secrets.randbelow(10**18) + 10**18)
        echo = self.crypt.encrypt(plain)
        try:
            status, body = self._request("GET", echo, {"echostr": echo}, None, CHECK_SECONDS)
        except (OSError, http.client.HTTPException):
            self.verified = False
        else:
            self.verified = status == 200 and body == plain.encode()
        return self.verified

    def _deliver_for_ever(self) -> None:
        while not self.stopping:
            row = self._claim()
            if row is None:
                with self.bell:
                    self.bell.wait(timeout=0.2)
                continue
            try:
                self._deliver(row["xml"])
            except Undelivered as reason:
                self._failed(row, str(reason))
            else:
                self._finish(row["id"], "delivered", "")

    def _claim(self) -> sqlite3.Row | None:
        if not self.url or self.options["paused"]:
            return None
        with self.sandbox.store.write() as db:
            return db.execute(
                "update callbacks set state = 'sending', tries = tries + 1 where id ="
                " (select id from callbacks where state = 'pending' and due_real <= ?"
                "  order by due_real, id limit 1) returning *",
                (time.time(),),
            ).fetchone()

    def _deliver(self, xml: str) -> None:
        config = self.sandbox.config
        encrypted = self.crypt.encrypt(xml)
        body = (
            f"<xml><ToUserName><![CDATA[{config.corp_id}]]></ToUserName>"
            f"<AgentID><![CDATA[{config.agent_id}]]></AgentID>"
            f"<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        )
        try:
            status, _ = self._request("POST", encrypted, {}, body.encode(), ANSWER_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from error
        if status != 200:
            raise Undelivered(f"HTTP {status}")

    def _request(
        self, verb: str, encrypted: str, query: dict, body: bytes | None, patience: float
    ) -> tuple[int, bytes]:
        url = urlsplit(self.url)
        timestamp, nonce = str(int(time.time())), str(secrets.randbelow(10**10))
        signature = self.crypt.signature(timestamp=timestamp, nonce=nonce, encrypted=encrypted)
        signed = {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce, **query}
        secure = url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(url.hostname, url.port, timeout=patience)
        try:
            query = "&".join(part for part in (url.query, urlencode(signed)) if part)
            connection.request(verb, f"{url.path}?{query}", body, {"Content-Type": "text/xml"})
            answer = connection.getresponse()
            return answer.status, answer.read(65_536)
        finally:
            connection.close()

    def _failed(self, row: sqlite3.Row, reason: str) -> None:
        if row["tries"] >= TRIES:
            self._finish(row["id"], "lost", reason)
            return
        with self.sandbox.store.write() as db:
            db.execute(
                "update callbacks set state = 'pending', detail = ?, due_real = ? where id = ?",
                (reason, time.time() + self.options["retry_seconds"], row["id"]),
            )

    def _finish(self, row_id: int, state: str, detail: str) -> None:
        with self.sandbox.store.write() as db:
            db.execute(
                "update callbacks set state = ?, detail = ?, sent_real = ? where id = ?",
                (state, detail, time.time(), row_id),
            )


def event_xml(corp_id: str, event: str, at: int, fields: dict) -> str:
    """The plaintext of an event; numbers stand bare, texts in CDATA."""
    parts = {"ToUserName": corp_id, "FromUserName": "sys", "CreateTime": at}
    parts |= {"MsgType": "event", "Event": event, **fields}
    return "<xml>" + "".join(_element(name, value) for name, value in parts.items()) + "</xml>"


def _element(name: str, value: str | int | list[str] | dict | None) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, dict):
        return f"<{name}>" + "".join(_element(*part) for part in value.items()) + f"</{name}>"
    if isinstance(value, list):
        return f"<{name}>" + "".join(_element("Item", item) for item in value) + f"</{name}>"
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    safe = value.replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{safe}]]></{name}>"
