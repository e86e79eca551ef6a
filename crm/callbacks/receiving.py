"""Verification of a callback, in a fixed order, before anything is believed or stored."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from django.conf import settings

from crm.shared.text import clean_text
from crm.shared.times import from_unix
from crm.wecom.crypto import CryptoRefused, MessageCrypt

MAX_BODY = 64 * 1024
MAX_SKEW_SECONDS = 300
_LATEST = 4_102_444_800  # The year 2100; what lies behind is no time of ours.
# Without separators in the signature, characters could wander between the fields.
_SHAPES = {
    "msg_signature": re.compile(r"[0-9a-f]{40}", re.ASCII),
    "timestamp": re.compile(r"[0-9]{10}", re.ASCII),
    "nonce": re.compile(r"[0-9A-Za-z]{1,32}", re.ASCII),
}


class CallbackRefused(Exception):
    """Not a callback for us. ``reason`` is counted, never told to the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Message:
    """A verified message: its text as it came, its hash, and the fields that handlers read."""

    text: str
    digest: bytes
    happened_at: datetime
    fields: dict[str, str] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)

    @property
    def event(self) -> str:
        return self.fields.get("Event", "")[:64]

    @property
    def change_type(self) -> str:
        return self.fields.get("ChangeType", "")[:64]


def read_check(params: Mapping[str, str], *, now: datetime) -> bytes:
    """The plaintext that WeCom wants back when an address is saved."""
    # A plus sign that was not escaped arrives as a blank.
    echo = params.get("echostr", "").replace(" ", "+")
    if not 0 < len(echo) <= MAX_BODY:
        raise CallbackRefused("shape")
    return _decrypted(params, echo, now)


def read_message(params: Mapping[str, str], body: bytes, *, now: datetime) -> Message:
    """The message inside a posted body; raises CallbackRefused with the check that failed."""
    _check_shapes(params, now)
    encrypted = (_parsed(body).findtext("Encrypt") or "").strip()
    plain = _decrypted(params, encrypted, now)
    return parse_message(plain, received_at=now)


def parse_message(plain: bytes, *, received_at: datetime) -> Message:
    """Read a decrypted message; also used on what the inbox has kept."""
    root = _parsed(plain)
    try:
        text = plain.decode()
    except UnicodeDecodeError as error:
        raise CallbackRefused("encoding") from error
    fields = {child.tag: clean_text(child.text or "", limit=1024) for child in root}
    items = {
        child.tag: [clean_text(item.text or "", limit=128) for item in child]
        for child in root
        if len(child)
    }
    happened_at = _instant(fields.get("CreateTime", ""), received_at)
    return Message(text, hashlib.sha256(plain).digest(), happened_at, fields, items)


def _decrypted(params: Mapping[str, str], encrypted: str, now: datetime) -> bytes:
    _check_shapes(params, now)
    try:
        crypt = _crypt(
            settings.WECOM_CALLBACK_TOKEN, settings.WECOM_CALLBACK_AES_KEY, settings.WECOM_CORP_ID
        )
        crypt.verify(
            params["msg_signature"],
            timestamp=params["timestamp"],
            nonce=params["nonce"],
            encrypted=encrypted,
        )
        return crypt.decrypt(encrypted)
    except CryptoRefused as refusal:
        raise CallbackRefused(refusal.reason) from refusal
    except ValueError as error:
        raise CallbackRefused("unconfigured") from error


def _check_shapes(params: Mapping[str, str], now: datetime) -> None:
    for name, shape in _SHAPES.items():
        if not shape.fullmatch(params.get(name, "")):
            raise CallbackRefused("shape")
    if abs(now.timestamp() - int(params["timestamp"])) > MAX_SKEW_SECONDS:
        raise CallbackRefused("time")


@lru_cache(maxsize=4)
def _crypt(token: str, aes_key: str, receive_id: str) -> MessageCrypt:
    if not (token and receive_id):
        raise ValueError("the callback is not configured")
    return MessageCrypt(token=token, aes_key=aes_key, receive_id=receive_id)


def _parsed(content: bytes) -> Element:
    try:
        return fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise CallbackRefused("xml") from error


def _instant(seconds: str, otherwise: datetime) -> datetime:
    if seconds.isascii() and seconds.isdigit() and 0 < int(seconds[:12]) < _LATEST:
        return from_unix(int(seconds[:12]))
    return otherwise
