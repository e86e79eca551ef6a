"""Requests that are no callbacks for us, each with the check that must refuse it."""

import re
import time

from crm.wecom.crypto import MessageCrypt
from tests.crm.wecom_helpers import CORP, CRYPT, envelope, event_xml
from tests.sandbox_fixture import SandboxProcess

UNKNOWN = {"MsgType": "event", "Event": "subscribe"}
OTHER_RECEIVER = MessageCrypt(
    token=SandboxProcess.token, aes_key=SandboxProcess.aes_key, receive_id="ww2"
)
OTHER_TOKEN = MessageCrypt(token="guessed", aes_key=SandboxProcess.aes_key, receive_id=CORP)
LONGER_RECEIVER = MessageCrypt(
    token=SandboxProcess.token, aes_key=SandboxProcess.aes_key, receive_id=CORP + "x"
)
Request = tuple[str, dict[str, str], bytes]


def _bomb(entities: str) -> bytes:
    return f"<!DOCTYPE x [{entities}]><xml><Encrypt>&z;</Encrypt></xml>".encode()


def _forged(move: int) -> tuple[dict[str, str], bytes]:
    """Characters wander from the timestamp into the nonce; the signature stays the same."""
    query, body = envelope(event_xml(**UNKNOWN), nonce="5")
    timestamp = query["timestamp"]
    return {**query, "timestamp": timestamp[:-move], "nonce": timestamp[-move:] + "5"}, body


def _wandered() -> tuple[dict[str, str], bytes]:
    """A character wanders from the nonce into the ciphertext, where order allows it."""
    query, body = envelope(event_xml(**UNKNOWN), nonce="1A")
    encrypted = re.search(rb"<Encrypt>(.*)</Encrypt>", body)[1]
    moved = body.replace(encrypted, b"A" + encrypted)
    return {**query, "nonce": "1"}, moved


def _at(seconds: int) -> tuple[dict[str, str], bytes]:
    return envelope(event_xml(**UNKNOWN), at=int(time.time()) + seconds)


def _signed(content: bytes) -> tuple[dict[str, str], bytes]:
    """A valid envelope around anything."""
    return envelope(content)


def _sealed(encrypted: str) -> tuple[dict[str, str], bytes]:
    """A valid signature around a ciphertext that is none."""
    query, _body = envelope("<xml/>")
    query["msg_signature"] = CRYPT.signature(
        timestamp=query["timestamp"], nonce=query["nonce"], encrypted=encrypted
    )
    return query, f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode()


def _deep(inside: str = "") -> bytes:
    depth = 7_000
    return f"<xml>{'<a>' * depth}{inside}{'</a>' * depth}</xml>".encode()


def bad_requests() -> dict[str, Request]:
    """By name: the reason that is counted, the query, the body."""
    query, body = envelope(event_xml(**UNKNOWN))
    laughs = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(25))
    grown = f'<!ENTITY z "{"x" * 30_000}">'
    many = f"<xml>{'&z;' * 9_000}</xml>"
    attributes = " ".join(f'a{n}="{n}"' for n in range(4_000))
    return {
        "nothing": ("shape", {}, b""),
        "a 10 MB body": ("size", query, b"x" * 10_000_000),
        "a 10 MB message": ("size", query, b"<xml><Encrypt>" + b"A" * 10_000_000),
        "a body just over the limit": ("size", query, b" " * 65_537),
        "a forged split": ("shape", *_forged(1)),
        "another forged split": ("shape", *_forged(3)),
        "a split into the ciphertext": ("signature", *_wandered()),
        "a nonce with a sign": ("shape", {**query, "nonce": "a-b"}, body),
        "a long nonce": ("shape", {**query, "nonce": "a" * 33}, body),
        "a nonce of NUL": ("shape", {**query, "nonce": "a\x00"}, body),
        "a lone surrogate for a nonce": ("shape", {**query, "nonce": "\ud800"}, body),
        "full-width digits": ("shape", {**query, "timestamp": "１７３５６８９６００"}, body),
        "a signature in capitals": ("shape", {**query, "msg_signature": "A" * 40}, body),
        "an old request": ("time", *_at(-310)),
        "a request from the future": ("time", *_at(330)),
        "a request of 1970": ("time", *_at(1 - int(time.time()) + 10**9)),
        "a request of 2286": ("time", *_at(9_999_999_999 - int(time.time()))),
        "another token": ("signature", *envelope("<xml/>", crypt=OTHER_TOKEN)),
        "another receiver": ("receiveid", *envelope("<xml/>", crypt=OTHER_RECEIVER)),
        "a receiver that begins like us": ("receiveid", *envelope("<xml/>", crypt=LONGER_RECEIVER)),
        "no Base64": ("base64", *_sealed("%" * 64)),
        "half a block": ("length", *_sealed("AAAA")),
        "no padding": ("padding", *_sealed("A" * 64)),
        "no XML": ("xml", query, b"Encrypt"),
        "broken UTF-8": ("xml", query, b"<xml><Encrypt>\xff\xfe</Encrypt></xml>"),
        "NUL": ("xml", query, b"<xml><Encrypt>\x00</Encrypt></xml>"),
        "an entity bomb": ("xml", query, _bomb('<!ENTITY a "ha">' + laughs)),
        "a quadratic bomb": ("xml", query, f"<!DOCTYPE x [{grown}]>{many}".encode()),
        "a file of ours": ("xml", query, _bomb('<!ENTITY z SYSTEM "file:///etc/passwd">')),
        "an empty DTD": ("xml", query, b"<!DOCTYPE x><xml/>"),
        "no ciphertext": ("signature", query, b"<xml/>"),
        "no ciphertext far down": ("signature", query, _deep()),
        "too many attributes": ("signature", query, f"<xml {attributes}/>".encode()),
        "an odd encoding": ("xml", query, b"<?xml version='1.0' encoding='rot13'?><xml/>"),
        "no XML inside": ("xml", *_signed(b"hello")),
        "nothing inside": ("xml", *_signed(b"")),
        "a DTD inside": ("xml", *_signed(_bomb('<!ENTITY z "x">'))),
        "a bomb inside": ("xml", *_signed(_bomb('<!ENTITY a "ha">' + laughs))),
        "NUL inside": ("xml", *_signed(b"<xml><Event>a\x00b</Event></xml>")),
        "a lone surrogate inside": ("xml", *_signed(b"<xml><Event>&#xD800;</Event></xml>")),
        "an encoded surrogate inside": ("xml", *_signed(b"<xml><Event>\xed\xa0\x80</Event></xml>")),
        "broken UTF-8 inside": ("xml", *_signed(b"<xml><Event>\xff\xfe</Event></xml>")),
        "UTF-16 inside": ("encoding", *_signed("<xml>常</xml>".encode("utf-16"))),
    }
