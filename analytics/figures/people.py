"""One page of the people behind a figure, in order of their ids."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analytics.figures.query_ids import QueryIds
from crm.agents.models import User
from crm.customers.models import Customer
from crm.customers.queries import CustomerRow, customer_rows

PEOPLE_PER_PAGE = 50
PLACES = ("after", "before")  # What says where in the list one is, not which figure is meant.


@dataclass(frozen=True)
class PeoplePage:
    """Rows of one page; `after` and `before` are ids to go on from, None at either end."""

    rows: list[CustomerRow]
    total: int
    after: int | None
    before: int | None


def people_page(ids: Sequence[int], *, user: User, params: Mapping[str, str]) -> PeoplePage:
    """The page that follows `after`, or precedes `before`, or the first one."""
    shown, after, before = page_of_ids(ids, params)
    known = Customer.objects.for_user(user).select_related("channel").in_bulk(shown)
    return PeoplePage(
        rows=list(customer_rows(known[pk] for pk in shown if pk in known)),
        total=len(ids),
        after=after,
        before=before,
    )


def page_of_ids(
    ids: Sequence[int], params: Mapping[str, str], size: int = PEOPLE_PER_PAGE
) -> tuple[list[int], int | None, int | None]:
    """Ids of one page of a sorted list, and where its neighbours begin."""
    if isinstance(ids, QueryIds):
        return ids.page(**places_of(params), size=size)
    start = bisect_right(ids, _whole(params.get("after"), -1))
    if "before" in params and "after" not in params:
        start = max(0, bisect_left(ids, _whole(params["before"], 0)) - size)
    shown = [int(pk) for pk in ids[start : start + size]]
    after = shown[-1] if start + size < len(ids) else None
    before = shown[0] if start and shown else None
    return shown, after, before


def places_of(params: Mapping[str, str]) -> dict[str, int | None]:
    """Where in a list one is."""
    return {name: _whole(params[name], 0) if name in params else None for name in PLACES}


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else otherwise
