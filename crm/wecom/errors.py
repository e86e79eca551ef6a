"""What may come of a call: permanent, later, uncertain, or our own mistake."""

from django.utils.translation import gettext as _

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


class Refused(WeComError):
    """A permanent no. Repeating the same call gets the same answer."""


class NothingToSend(Refused):
    """The recipient list was empty. To WeCom that means everybody, so it never leaves the house."""


class Misconfigured(WeComError):
    """Our own settings or rights at WeCom are wrong; a person has to mend them."""


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
    if meaning:
        return _("%(meaning)s（企业微信错误 %(code)s）") % {"meaning": meaning, "code": code}
    return _("企业微信错误 %(code)s：%(said)s") % {"code": code, "said": said}
