"""The chat archive (会话存档): one interface, and whichever source the settings name.

A source hands out sealed messages after a sequence number, opens one, and hands out a file slice by
slice. The outer layer (RSA, a private key per version) is the same for every source and stands
here; the inner one belongs to the source, as the platform does not publish its own.
"""

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.conf import settings
from django.utils.translation import gettext as _

from crm.shared.text import clean_text
from crm.wecom.archive_errors import NO_RANDOM_KEY, NoPrivateKey, archive_error, unreadable

MOST_MESSAGES = 1000
FETCH, DECRYPT, MEDIA = "GetChatData", "DecryptData", "GetMediaData"
LONGEST_ID = 128


@dataclass(frozen=True)
class Sealed:
    """A message as it was fetched: its place in the stream, and the key version that opens it."""

    seq: int
    msgid: str
    key_version: int
    random_key: str
    chat_msg: str


@dataclass(frozen=True)
class MediaChunk:
    """A slice of a file (512 KB at most), and where the next one begins."""

    data: bytes
    next_index: str
    is_last: bool


class ArchiveSource(Protocol):
    """Where messages come from. Used by one thread at a time; ``close`` gives everything back."""

    def fetch(self, seq: int, limit: int) -> dict[str, Any]:
        """The answer to "what came after ``seq``" as it was given, errcode included."""

    def decrypt(self, random_key: str, chat_msg: str) -> str:
        """One message as JSON text; ``random_key`` is open already."""

    def media(self, file_id: str, index: str) -> MediaChunk:
        """The slice of a file that begins at ``index`` ("" is its beginning)."""

    def private_keys(self) -> dict[int, str]:
        """PEM by version that the source itself knows; the platform knows none."""

    def close(self) -> None: ...


class Archive:
    """A source with our private keys: what the archive room works with."""

    def __init__(self, source: ArchiveSource, keys_folder: Path | None) -> None:
        self._source = source
        self._folder = keys_folder
        self._lent: dict[int, str] | None = None

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_exc: object) -> None:
        self._source.close()

    def after(self, seq: int, limit: int) -> list[Sealed]:
        """Messages after ``seq``, oldest first; raises LimitTooHigh where fewer must be asked."""
        answer = self._source.fetch(seq, limit)
        code = answer.get("errcode")
        if not isinstance(code, int):
            raise unreadable(FETCH)
        if code:
            raise archive_error(code, method=FETCH, said=str(answer.get("errmsg") or ""))
        rows = answer.get("chatdata") or []
        if not isinstance(rows, list):
            raise unreadable(FETCH)
        return sorted((_sealed(row) for row in rows), key=lambda row: row.seq)

    def open(self, sealed: Sealed) -> str:
        """The message as JSON text. Raises NoPrivateKey, or NotOpened where it is damaged."""
        key = self._private_key(sealed.key_version)
        try:
            locked = base64.b64decode(sealed.random_key, validate=True)
            text_key = key.decrypt(locked, padding.PKCS1v15()).decode()
        except (ValueError, binascii.Error) as error:
            raise archive_error(NO_RANDOM_KEY, method=DECRYPT) from error
        return self._source.decrypt(text_key, sealed.chat_msg)

    def media(self, file_id: str, index: str) -> MediaChunk:
        """The slice of a file that begins at ``index``."""
        return self._source.media(file_id, index)

    def _private_key(self, version: int) -> rsa.RSAPrivateKey:
        pem = self._pem(version)
        try:
            return _load(pem)
        except (ValueError, TypeError) as error:
            raise NoPrivateKey(
                _("会话存档私钥 %(n)s 无法读取") % {"n": version}, method=DECRYPT
            ) from error

    def _pem(self, version: int) -> bytes:
        path = self._folder / f"{version}.pem" if self._folder else None
        if path is not None and path.is_file():
            return path.read_bytes()
        if self._lent is None or version not in self._lent:
            self._lent = self._source.private_keys()
        if pem := self._lent.get(version):
            return pem.encode()
        raise NoPrivateKey(_("缺少会话存档私钥 %(n)s") % {"n": version}, method=DECRYPT)


@lru_cache(maxsize=8)
def _load(pem: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


def _sealed(row: Any) -> Sealed:
    try:
        sealed = Sealed(
            seq=int(row["seq"]),
            msgid=clean_text(str(row["msgid"])),
            key_version=int(row["publickey_ver"]),
            random_key=_ascii(row["encrypt_random_key"]),
            chat_msg=_ascii(row["encrypt_chat_msg"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable(FETCH) from error
    # What has no name, or one that cannot be stored, cannot be told from another message.
    if not 0 < len(sealed.msgid) <= LONGEST_ID or not 0 <= sealed.seq < 2**63:
        raise unreadable(FETCH)
    return sealed


def _ascii(value: Any) -> str:
    return str(value).encode("ascii", "replace").decode()


def is_configured() -> bool:
    """Whether this installation has an archive at all."""
    return bool(settings.WECOM_ARCHIVE)


def keys_folder() -> Path:
    """Private keys of every version, ``1.pem`` and so on; old ones stay."""
    return Path(settings.WECOM_ARCHIVE_KEYS)
