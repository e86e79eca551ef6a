"""Tokens: one series per (corpid, secret), 7200 s, revocable (reference, section 1)."""

import secrets
import sqlite3

from .api import Call, endpoint
from .wire import Refused

LIFETIME = 7200


@endpoint("GET", "gettoken", token=False)
def get_token(call: Call) -> dict:
    corpid, secret = call.query.get("corpid", ""), call.query.get("corpsecret", "")
    if not corpid:
        raise Refused(41002)
    if not secret:
        raise Refused(41004)
    if corpid != call.sandbox.config.corp_id:
        raise Refused(40013)
    config = call.sandbox.config
    known = (*config.secrets, config.archive_secret)
    if secret not in known:
        raise Refused(40001)
    app = known.index(secret) + 1
    token = f"sbx-{app}-{secrets.token_urlsafe(48)}"
    call.db.execute("delete from tokens where expires_at < ?", (call.now - 86_400,))
    call.db.execute(
        "insert into tokens (token, corpid, secret, issued_at, expires_at) values (?, ?, ?, ?, ?)",
        (token, corpid, secret, call.now, call.now + LIFETIME),
    )
    return {"access_token": token, "expires_in": LIFETIME}


@endpoint("GET", "getcallbackip")
def get_callback_ip(call: Call) -> dict:
    return {"ip_list": ["127.0.0.1"]}


@endpoint("GET", "get_api_domain_ip")
def get_api_domain_ip(call: Call) -> dict:
    return {"ip_list": ["127.0.0.1"]}


def check_token(db: sqlite3.Connection, token: str, now: float) -> str:
    """The secret of the app that holds this token."""
    if not token:
        raise Refused(41001)
    row = db.execute("select * from tokens where token = ?", (token,)).fetchone()
    if row is None or row["revoked"]:
        raise Refused(40014)
    if row["expires_at"] <= now:
        raise Refused(42001)
    return row["secret"]


def spoil_tokens(db: sqlite3.Connection, *, action: str, secret: str, now: float) -> int:
    """The operator's "revoke now" (40014) or "expire now" (42001)."""
    every = secret == ""
    if action == "revoke":
        done = db.execute(
            "update tokens set revoked = 1 where not revoked and (? or secret = ?)",
            (every, secret),
        )
    else:
        done = db.execute(
            "update tokens set expires_at = ? where expires_at > ? and (? or secret = ?)",
            (now, now, every, secret),
        )
    return done.rowcount
