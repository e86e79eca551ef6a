"""The people behind a figure as a query: counted and paged by the database, never held as a list.

Behaves as the sorted list of ids that other figures give, so panel, file, API and audience treat
both alike; a cell of a million people opens at its first page without reading the others.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from django.db.models import QuerySet


class QueryIds(Sequence):
    """Ids of customers that a query finds, each once, in ascending order."""

    def __init__(self, rows: QuerySet, name: str = "customer_id") -> None:
        self._ids = rows.order_by(name).values_list(name, flat=True)
        self._name = name

    @cached_property
    def _count(self) -> int:
        return self._ids.count()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return self._ids.iterator()

    def __getitem__(self, place: Any) -> Any:
        return list(self._ids[place]) if isinstance(place, slice) else self._ids[place]

    def page(
        self, *, after: int | None, before: int | None, size: int
    ) -> tuple[list[int], int | None, int | None]:
        """Ids of one page, and the ids to go on from; None at either end."""
        if before is not None and after is None:
            earlier = self._ids.filter(**{f"{self._name}__lt": before}).reverse()
            found = list(earlier[: size + 1])
            if len(found) <= size:  # So near the beginning that a whole first page is shown.
                return self.page(after=None, before=None, size=size)
            shown = sorted(found[:size])
            return shown, self._unless_last(shown), shown[0]
        rows = self._ids if after is None else self._ids.filter(**{f"{self._name}__gt": after})
        found = list(rows[: size + 1])
        shown = found[:size]
        follows = shown[-1] if len(found) > size else None
        if after is None or not shown:
            return shown, follows, None
        earlier = self._ids.filter(**{f"{self._name}__lte": after}).exists()
        return shown, follows, shown[0] if earlier else None

    def _unless_last(self, shown: list[int]) -> int | None:
        later = self._ids.filter(**{f"{self._name}__gt": shown[-1]}).exists()
        return shown[-1] if later else None
