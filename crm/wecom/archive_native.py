"""The archive through the vendor's native library, loaded from where the settings say.

Nothing of the vendor's is bundled. Every pointer is ``c_void_p``, as ctypes' default ``int`` cuts
64-bit pointers in half; buffers are read by their length, because files contain zero bytes; what
the library allocates is given back on every path, or a busy archive eats the machine.
"""

import ctypes
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

from crm.wecom.archive import DECRYPT, FETCH, MEDIA, MediaChunk
from crm.wecom.archive_errors import NoLibrary, archive_error, unreadable

TIMEOUT_SECONDS = 20
_POINTER, _TEXT, _INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "NewSdk": (_POINTER, []),
    "Init": (_INT, [_POINTER, _TEXT, _TEXT]),
    "GetChatData": (
        _INT,
        [_POINTER, ctypes.c_ulonglong, ctypes.c_uint, _TEXT, _TEXT, _INT, _POINTER],
    ),
    "DecryptData": (_INT, [_TEXT, _TEXT, _POINTER]),
    "GetMediaData": (_INT, [_POINTER, _TEXT, _TEXT, _TEXT, _TEXT, _INT, _POINTER]),
    "DestroySdk": (None, [_POINTER]),
    "NewSlice": (_POINTER, []),
    "FreeSlice": (None, [_POINTER]),
    "GetContentFromSlice": (_POINTER, [_POINTER]),
    "GetSliceLen": (_INT, [_POINTER]),
    "NewMediaData": (_POINTER, []),
    "FreeMediaData": (None, [_POINTER]),
    "GetOutIndexBuf": (_POINTER, [_POINTER]),
    "GetIndexLen": (_INT, [_POINTER]),
    "GetData": (_POINTER, [_POINTER]),
    "GetDataLen": (_INT, [_POINTER]),
    "IsMediaDataFinish": (_INT, [_POINTER]),
}


@lru_cache(maxsize=4)
def _library(path: str) -> ctypes.CDLL:
    """The library with all its functions declared; raises NoLibrary and says what is missing."""
    try:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        words = _("会话存档的组件无法加载，请检查 WECOM_ARCHIVE_LIBRARY：%(reason)s")
        raise NoLibrary(words % {"reason": error}) from error
    return library


class NativeSource:
    """One session with the vendor's library."""

    def __init__(
        self, library: str, corp_id: str, secret: str, *, proxy: str = "", proxy_password: str = ""
    ) -> None:
        self._library = _library(library)
        self._proxy = (proxy.encode(), proxy_password.encode(), TIMEOUT_SECONDS)
        self._sdk = self._library.NewSdk()
        if not self._sdk:
            raise NoLibrary(_("会话存档的组件没有启动"))
        if code := self._library.Init(self._sdk, corp_id.encode(), secret.encode()):
            self.close()
            raise archive_error(code, method="Init")

    def fetch(self, seq: int, limit: int) -> dict[str, Any]:
        lib = self._library
        with self._slice() as (slice_, content):
            code = lib.GetChatData(self._session(FETCH), seq, limit, *self._proxy, slice_)
            if code:
                raise archive_error(code, method=FETCH)
            text = content()
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise unreadable(FETCH) from error
        if not isinstance(answer, dict):
            raise unreadable(FETCH)
        return answer

    def decrypt(self, random_key: str, chat_msg: str) -> str:
        with self._slice() as (slice_, content):
            code = self._library.DecryptData(random_key.encode(), chat_msg.encode(), slice_)
            if code:
                raise archive_error(code, method=DECRYPT)
            return content().decode(errors="replace")

    def media(self, file_id: str, index: str) -> MediaChunk:
        lib = self._library
        sdk = self._session(MEDIA)
        data = lib.NewMediaData()
        try:
            code = lib.GetMediaData(sdk, index.encode(), file_id.encode(), *self._proxy, data)
            if code:
                raise archive_error(code, method=MEDIA)
            return MediaChunk(
                data=_bytes(lib.GetData(data), lib.GetDataLen(data)),
                next_index=_bytes(lib.GetOutIndexBuf(data), lib.GetIndexLen(data)).decode(),
                is_last=bool(lib.IsMediaDataFinish(data)),
            )
        finally:
            lib.FreeMediaData(data)

    def private_keys(self) -> dict[int, str]:
        return {}

    def close(self) -> None:
        if self._sdk:
            self._library.DestroySdk(self._sdk)
            self._sdk = None

    def _session(self, method: str) -> int:
        if not self._sdk:
            raise archive_error(10003, method=method)
        return self._sdk

    @contextmanager
    def _slice(self) -> Iterator[tuple[int, Callable[[], bytes]]]:
        lib = self._library
        slice_ = lib.NewSlice()
        try:
            yield slice_, lambda: _bytes(lib.GetContentFromSlice(slice_), lib.GetSliceLen(slice_))
        finally:
            lib.FreeSlice(slice_)


def _bytes(address: int | None, length: int) -> bytes:
    """A copy of the library's buffer; it is freed right afterwards."""
    return ctypes.string_at(address, length) if address and length > 0 else b""
