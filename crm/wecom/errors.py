"""What may come of a call: permanent, later, uncertain, or our own mistake."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.wecom.meanings import meaning_of

LATER = frozenset({-1, 6000, 45009, 45033, 41063, 41079, 41096})
STALE_TOKEN = frozenset({40014, 42001})
OURS = frozenset(
    {40001, 40091, 40013, 40014, 42001, 40056, 41001, 41002, 41004, 41011}
    | {48001, 48002, 48003, 48004, 48005, 48006, 50003, 60020}
)


class WeComError(Exception):
    """Base of everything a call to WeCom may raise. ``str()`` is worded for the operator."""

    def __init__(self, message: str, *, method: str = "", code: int | None = None) -> None:
        super().__init__(message)
        self.method = method
        self.code = code

    @property
    def token(self) -> str:
        """What to store: ``words_for`` turns it into words in the language of whoever reads."""
        return str(self.code) if self.code is not None else _TOKENS.get(type(self), str(self))


class Refused(WeComError):
    """A permanent no. Repeating the same call gets the same answer."""


class NothingToSend(Refused):
    """The recipient list was empty. To WeCom that means everybody, so it never leaves the house."""


class OverLimit(Refused):
    """More, longer or larger than WeCom takes; it never leaves the house."""


class BadFile(OverLimit):
    """A file that WeCom would not take: too large, too long, of another type, broken."""


class Misconfigured(WeComError):
    """Our own settings or rights at WeCom are wrong; a person has to mend them."""


class NoPrivateKey(Misconfigured):
    """We lack the private key of the version that a message of the archive was locked with."""


class NoLibrary(Misconfigured):
    """The vendor's library of the archive cannot be loaded."""


class RetryLater(WeComError):
    """A certain no for now: nothing was applied. ``retry_after`` is in seconds."""

    def __init__(
        self, message: str, *, method: str = "", code: int | None = None, retry_after: float = 5.0
    ) -> None:
        super().__init__(message, method=method, code=code)
        self.retry_after = retry_after


class NotReachable(WeComError):
    """The connection was never made, so nothing can have happened."""


class OutcomeUnknown(WeComError):
    """The request may have been applied: reconcile before any repetition."""


_TOKENS: dict[type[WeComError], str] = {
    NotReachable: "not_reachable",
    OutcomeUnknown: "outcome_unknown",
    NothingToSend: "nothing_to_send",
    NoPrivateKey: "archive_key",
    NoLibrary: "archive_library",
}
_WORDS = {
    "not_reachable": gettext_lazy("连不上企业微信"),
    "outcome_unknown": gettext_lazy("企业微信没有答复，结果不明"),
    "nothing_to_send": gettext_lazy("接收人名单是空的"),
    "interrupted": gettext_lazy("多次中断，已放弃"),
    "unknown_event": gettext_lazy("不认识的事件，已原样保存"),
    "stale_key": gettext_lazy("钥匙只有半小时有效，已无法得知是哪位客户"),
    "nothing_listed": gettext_lazy("企业微信什么也没有列出，请检查应用的可见范围"),
    "archive_key": gettext_lazy("缺少会话存档某一版本的私钥，请放入 WECOM_ARCHIVE_KEYS 目录"),
    "archive_no_json": gettext_lazy("存档消息解密后无法读懂，已原样保存"),
    "archive_wrong_digest": gettext_lazy("文件内容与消息中的摘要不符"),
    "archive_library": gettext_lazy("会话存档的组件无法加载，请检查 WECOM_ARCHIVE_LIBRARY"),
}


def words_for(token: str) -> str:
    """A stored ``token`` in the reader's language; what is no token stays as it is."""
    if token in _WORDS:
        return str(_WORDS[token])
    return _text(int(token), "") if token.lstrip("-").isdecimal() else token


def token_of(error: Exception) -> str:
    """What to store of any error: a token, or its kind and first line.

    Further lines of database errors quote the row, and rows hold personal data.
    """
    if isinstance(error, WeComError):
        return error.token[:255]
    first_line = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"[:255]


def from_envelope(code: int, errmsg: str, *, method: str, retry_after: float = 5.0) -> WeComError:
    """The typed error of a business answer. Only ``errcode`` decides; ``errmsg`` is told."""
    if code in LATER:
        return RetryLater(_text(code, errmsg), method=method, code=code, retry_after=retry_after)
    kind = Misconfigured if code in OURS else Refused
    return kind(_text(code, errmsg), method=method, code=code)


def _text(code: int, errmsg: str) -> str:
    # What follows ", hint:" names our address and a look-up page: diagnostics, not words.
    said = errmsg.split(", hint:", 1)[0].strip()[:200]
    meaning = meaning_of(code)
    if meaning or not said:
        meaning = meaning or _("企业微信拒绝了请求")
        return _("%(meaning)s（企业微信错误 %(code)s）") % {"meaning": meaning, "code": code}
    return _("企业微信错误 %(code)s：%(said)s") % {"code": code, "said": said}
