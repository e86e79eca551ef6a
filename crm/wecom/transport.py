"""One way out: how a call travels, what is tried again, and what is certain afterwards.

The only place of the product that opens a connection to WeCom. The origin is fixed by the setting
``WECOM_BASE_URL``, redirects are not followed, proxies of the environment are not used.
"""

import json
import logging
import secrets
import time
from typing import Any

import httpx
import structlog
from django.utils.translation import gettext as _

from crm.wecom import circuit, frequency
from crm.wecom.errors import (
    STALE_TOKEN,
    NotReachable,
    OutcomeUnknown,
    Refused,
    RetryLater,
    WeComError,
    from_envelope,
)
from crm.wecom.methods import GET_TOKEN, Method, Repeat
from crm.wecom.redaction import hint_of, shape
from crm.wecom.tokens import App, Fetched, TokenStore

log = structlog.get_logger("crm.wecom")
_logger = logging.getLogger("crm.wecom")
_dice = secrets.SystemRandom()

BUSY = -1
TOO_OFTEN = 45009
RETRIES = 3  # WeCom asks for no more after -1.
BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF = 2.0
CONNECT_SECONDS = 3.0
# Errors before a byte of the request was written: certainly nothing happened.
_NEVER_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Transport:
    """Calls methods of one application at its origin."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._tokens = TokenStore(app, self._fetch_token)
        self._http = httpx.Client(
            base_url=f"{app.origin.rstrip('/')}/cgi-bin/",
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=8),
            follow_redirects=False,
            trust_env=False,
        )

    def call(
        self,
        method: Method,
        *,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        files: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The answer's fields, or the error that says what is certain.

        A call is repeated only where its class allows it; a stale token is renewed once.
        """
        tries = RETRIES + 1 if method.repeat is Repeat.REPEATABLE else 1
        for attempt in range(1, tries + 1):
            try:
                return self._with_token(method, query or {}, body, files)
            except (NotReachable, OutcomeUnknown, RetryLater) as error:
                if attempt == tries or not _worth_trying_again(error):
                    raise
                _back_off(attempt)
        raise AssertionError("the loop returns or raises")

    def _with_token(self, method: Method, query: dict, body: Any, files: Any) -> dict[str, Any]:
        gate = circuit.ask(method.path)
        if gate.wait:
            raise _too_often(method, gate.wait)
        token = self._tokens.current()
        answer = self._send(method, {**query, "access_token": token}, body, files)
        if answer["errcode"] in STALE_TOKEN:
            # Refused before anything was done, so any class of call may be said again.
            token = self._tokens.current(instead_of=token)
            answer = self._send(method, {**query, "access_token": token}, body, files)
        if gate.is_probe and answer["errcode"] not in (TOO_OFTEN, BUSY):
            circuit.note_success(method.path)  # Any other answer says that we may call again.
        return _opened(method, answer)

    def _fetch_token(self) -> Fetched:
        asked = {"corpid": self._app.corp_id, "corpsecret": self._app.secret}
        try:
            answer = _opened(GET_TOKEN, self._send(GET_TOKEN, asked, None, None))
        except OutcomeUnknown as error:
            # Unknown is only whether a token was made; the call it was for has not begun.
            raise NotReachable(str(error), method=GET_TOKEN.path) from error
        return Fetched(answer["access_token"], int(answer.get("expires_in") or 7200))

    def _send(self, method: Method, query: dict, body: Any, files: Any) -> dict[str, Any]:
        """The JSON object that came back; raises where none did."""
        request = self._request(method, query, body, files)
        if wait := frequency.seconds_to_wait(method.path, self._app.owner):
            raise _too_often(method, wait)
        started = time.perf_counter()
        outcome: str = "no answer"
        answer: dict[str, Any] | None = None
        try:
            answer = _read(method, self._http.send(request))
        except _NEVER_CONNECTED as error:
            outcome = "not reachable"
            raise NotReachable(_("连不上企业微信"), method=method.path) from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(_("企业微信没有答复，结果不明"), method=method.path) from error
        finally:
            if _logger.isEnabledFor(logging.INFO):
                asked = {**query, **(body or {}), **({"files": "…"} if files else {})}
                self._log(method, asked, answer, outcome, time.perf_counter() - started)
        return answer

    def _log(self, method: Method, asked: dict, answer: Any, outcome: str, seconds: float) -> None:
        """The shapes of both sides: a log must hold neither tokens nor people."""
        asked = {name: value for name, value in asked.items() if name != "access_token"}
        told = {k: v for k, v in (answer or {}).items() if k not in ("errcode", "errmsg")}
        code = answer["errcode"] if answer else outcome
        hint = hint_of(str(answer.get("errmsg") or "")) if answer and code else ""
        log.info(
            "wecom call",
            method=method.path,
            app=self._app.owner,
            outcome=code,
            ms=round(seconds * 1000),
            request=shape(asked),
            answer=shape(told),
            **({"hint": hint} if hint else {}),
        )

    def _request(self, method: Method, query: dict, body: Any, files: Any) -> httpx.Request:
        timeout = httpx.Timeout(method.timeout, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS)
        content, headers = None, {}
        if method.verb == "POST" and files is None:
            content = _encoded(method, body or {})
            headers = {"Content-Type": "application/json; charset=utf-8"}
        return self._http.build_request(
            method.verb,
            method.path,
            params=query,
            content=content,
            files=files,
            headers=headers,
            timeout=timeout,
        )


def _encoded(method: Method, body: dict[str, Any]) -> bytes:
    """Real UTF-8: a body with \\u escapes in names can fail with 40033."""
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Refused(_("文字含有无法编码的字符"), method=method.path) from error


def _read(method: Method, response: httpx.Response) -> dict[str, Any]:
    """The envelope; a file, which comes without one, is put into one."""
    kind = response.headers.get("Content-Type", "")
    if method.gives_file and response.status_code == 200 and "json" not in kind:
        return {"errcode": 0, "content": response.content, "content_type": kind}
    try:
        answer = response.json() if response.status_code == 200 else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("errcode"), int):
        raise OutcomeUnknown(
            _("企业微信的答复无法读懂（HTTP %(status)s），结果不明")
            % {"status": response.status_code},
            method=method.path,
        )
    return answer


def _opened(method: Method, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer when its errcode is 0; otherwise the typed error."""
    code, said = answer["errcode"], str(answer.get("errmsg") or "")
    if code == 0:
        return answer
    if code == BUSY and method.repeat is not Repeat.REPEATABLE:
        raise OutcomeUnknown(_("企业微信繁忙，结果不明"), method=method.path, code=code)
    retry_after = circuit.close(method.path) if code == TOO_OFTEN else 5.0
    raise from_envelope(code, said, method=method.path, retry_after=retry_after)


def _too_often(method: Method, wait: float) -> RetryLater:
    """Told before the call: WeCom would say 45009, or has said so."""
    said = _("调用过于频繁，已暂停该接口")
    return RetryLater(said, method=method.path, code=TOO_OFTEN, retry_after=wait)


def _worth_trying_again(error: WeComError) -> bool:
    """At once, that is: -1 and broken connections; the other "later" codes need a longer pause."""
    return not isinstance(error, RetryLater) or error.code == BUSY


def _back_off(attempt: int) -> None:
    # Full jitter, so that processes which failed together do not come back together.
    time.sleep(_dice.uniform(0, min(LONGEST_BACKOFF, BACKOFF_SECONDS * 2**attempt)))
