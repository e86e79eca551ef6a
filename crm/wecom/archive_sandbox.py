"""The archive of the sandbox: HTTP on loopback in place of the vendor's library.

Its inner layer is AES-256-GCM under the SHA-256 of the text key (docs/sandbox.md, Chat archive).
"""

import base64
import hashlib
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils.translation import gettext as _

from crm.wecom.archive import DECRYPT, FETCH, MEDIA, MediaChunk
from crm.wecom.archive_errors import NETWORK, NOT_OPENED, archive_error, unreadable
from crm.wecom.errors import Misconfigured

_NONCE = 12
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class SandboxSource:
    """Speaks with ``/_sandbox/archive`` of a sandbox on this machine, and with nobody else."""

    def __init__(self, origin: str) -> None:
        if urlsplit(origin).hostname not in _LOOPBACK:
            raise Misconfigured(_("沙箱的会话存档只在本机可用，请检查 WECOM_BASE_URL"))
        self._http = httpx.Client(
            base_url=f"{origin.rstrip('/')}/_sandbox/",
            timeout=httpx.Timeout(20.0, connect=3.0),
            follow_redirects=False,
            trust_env=False,
        )

    def fetch(self, seq: int, limit: int) -> dict[str, Any]:
        return self._ask("archive", FETCH, seq=seq, limit=limit)

    def decrypt(self, random_key: str, chat_msg: str) -> str:
        try:
            sealed = base64.b64decode(chat_msg, validate=True)
            cipher = AESGCM(hashlib.sha256(random_key.encode()).digest())
            return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode()
        except (ValueError, InvalidTag) as error:
            raise archive_error(NOT_OPENED, method=DECRYPT) from error

    def media(self, file_id: str, index: str) -> MediaChunk:
        answer = self._ask("archive/media", MEDIA, sdkfileid=file_id, indexbuf=index)
        if code := answer.get("errcode"):
            raise archive_error(code, method=MEDIA, said=str(answer.get("errmsg") or ""))
        try:
            data = base64.b64decode(answer["data"], validate=True)
            return MediaChunk(data, str(answer["outindexbuf"]), bool(answer["is_finish"]))
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(MEDIA) from error

    def private_keys(self) -> dict[int, str]:
        """Private halves of the pairs that the sandbox made itself."""
        try:
            rows = self._http.get("archive/key").json()
            return {row["publickey_ver"]: row["private_key"] for row in rows if row["private_key"]}
        except httpx.HTTPError as error:
            raise archive_error(NETWORK, method=DECRYPT) from error
        except (ValueError, KeyError, TypeError) as error:
            raise unreadable(DECRYPT) from error

    def close(self) -> None:
        self._http.close()

    def _ask(self, path: str, method: str, **query: Any) -> dict[str, Any]:
        try:
            answer = self._http.get(path, params=query).json()
        except httpx.HTTPError as error:
            raise archive_error(NETWORK, method=method) from error
        except ValueError as error:
            raise unreadable(method) from error
        if not isinstance(answer, dict):
            raise unreadable(method)
        return answer
