"""What a source of the chat archive may refuse, and whether asking again can help.

The vendor's library answers with return codes of its own; the JSON inside has further errcodes.
"""

from django.utils.translation import gettext as _

from crm.wecom.errors import (
    Misconfigured,
    NoLibrary,
    NoPrivateKey,
    Refused,
    RetryLater,
    WeComError,
    from_envelope,
)

__all__ = ["LimitTooHigh", "NoLibrary", "NoPrivateKey", "NotOpened", "archive_error", "unreadable"]

NETWORK, UNREADABLE, SYSTEM = 10001, 10002, 10003
NO_KEY_CODES = frozenset({10004, 10007})
FILE_ID, NOT_OPENED, NO_RANDOM_KEY = 10005, 10006, 10008
EXPIRED, GONE = 10010, 301048
LIMIT_TOO_HIGH = 301058
_LATER = frozenset({NETWORK, UNREADABLE, SYSTEM})
_OURS = frozenset({10009, 10011, 301052, 301053}) | NO_KEY_CODES


class LimitTooHigh(WeComError):
    """More messages were asked for than one answer carries; ask for fewer."""


class NotOpened(Refused):
    """One message cannot be decrypted; the others are none the worse for it."""


def archive_error(code: int, *, method: str, said: str = "") -> WeComError:
    """The typed error of a return code or of an errcode of the archive."""
    if code == LIMIT_TOO_HIGH:
        return LimitTooHigh(_("一次要的消息过多"), method=method, code=code)
    plain = from_envelope(code, said, method=method)
    if code in _LATER:
        return RetryLater(str(plain), method=method, code=code)
    if code in _OURS:
        return Misconfigured(str(plain), method=method, code=code)
    if code in (NOT_OPENED, NO_RANDOM_KEY):
        return NotOpened(str(plain), method=method, code=code)
    return plain


def unreadable(method: str) -> WeComError:
    """An answer in a shape that nobody promised; the next one may be well."""
    return archive_error(UNREADABLE, method=method)
