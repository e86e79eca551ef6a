"""What all parts share: one call, a walk through pages, and checks before anything leaves."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from crm.wecom.errors import NothingToSend, OverLimit
from crm.wecom.methods import Method
from crm.wecom.records import Wire
from crm.wecom.transport import Transport


class Calls:
    """One application of one corporation. Safe to share between threads of a process."""

    def __init__(self, transport: Transport, *, agent_id: int) -> None:
        self._transport = transport
        self._agent_id = agent_id

    def _call(self, method: Method, **request: Any) -> Wire:
        return self._transport.call(method, **request)

    def _pages(
        self, method: Method, *, query: Wire | None = None, body: Wire | None = None
    ) -> Iterator[Wire]:
        cursor = ""
        while True:
            step = {"cursor": cursor} if cursor else {}
            if method.verb == "GET":
                page = self._call(method, query={**(query or {}), **step})
            else:
                page = self._call(method, body={**(body or {}), **step})
            yield page
            cursor = page.get("next_cursor") or ""
            if not cursor:
                return

    def _rows(self, method: Method, name: str, body: Wire) -> Iterator[Wire]:
        """The elements of a list that is walked to its end."""
        for page in self._pages(method, body=body):
            yield from page.get(name) or ()


def some(ids: Sequence[str]) -> list[str]:
    """The ids, which must not be none: to WeCom an empty list often means everybody."""
    if not ids:
        raise NothingToSend(_("接收人名单是空的"))
    return list(ids)


def at_most(ids: Sequence[Any], limit: int, what: str) -> list[Any]:
    """The ids, where WeCom takes as many in one call."""
    if len(ids) > limit:
        said = _("%(what)s一次最多 %(limit)s 个，现有 %(given)s 个")
        raise OverLimit(said % {"what": what, "limit": limit, "given": len(ids)})
    return list(ids)


def batches(values: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def unix(at: datetime) -> int:
    return int(at.timestamp())


def given(**fields: Any) -> Wire:
    """The fields that say something; None means "not mentioned", as opposed to "" or 0."""
    return {name: value for name, value in fields.items() if value is not None}
