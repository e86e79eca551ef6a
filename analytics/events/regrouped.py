"""The same events by another unit: all that say one value of a property, such as one session.

The columns are sorted again in memory, so this takes room for the events that say the property.
Whoever is outside the viewer's scope is left out before anything is joined.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property

import numpy as np

from analytics.events.columns import Columns, Part, from_arrays
from analytics.events.facts import joined
from analytics.events.source import NOBODY, ConditionLike, Source, Texts, Value


class RegroupedSource:
    """Events of a source, one row per value of the property `name`; ids are codes of values."""

    def __init__(self, base: Source, name: str) -> None:
        self.base, self.name = base, name

    @cached_property
    def _codes(self) -> tuple[np.ndarray, list[str]]:
        """The unit of every event of the base, 0 for none, and the values of units."""
        units: dict[str, int] = {"": 0}
        found = [np.empty(0, np.int64)]
        for number, part in enumerate(self.base.parts):
            texts = self.base.texts(self.name, number)
            places = np.array([units.setdefault(v, len(units)) for v in texts.values], np.int64)
            codes = places[texts.codes]
            if part.skip is not None:
                sizes = np.diff(part.columns.offsets.astype(np.int64))
                codes[np.repeat(part.skip, sizes)] = 0
            found.append(codes)
        return np.concatenate(found), list(units)

    @property
    def names(self) -> list[str]:
        """The property's values by their numbers."""
        return self._codes[1]

    @cached_property
    def _kept(self) -> np.ndarray:
        """Which events of the base, counted through its parts, are events here, in our order."""
        codes = self._codes[0]
        kept = np.flatnonzero(codes)
        return kept[np.lexsort((self._events.at_micros[kept], codes[kept]))]

    @cached_property
    def _events(self):
        return joined(
            [part.columns.events_of(np.arange(part.columns.customers)) for part in self.base.parts]
        )

    @cached_property
    def _columns(self) -> Columns:
        events, kept = self._events, self._kept
        return from_arrays(
            self._codes[0][kept],
            events.at_micros[kept],
            events.kinds[kept],
            **{name: values[kept] for name, values in events.dimensions.items()},
        )

    @cached_property
    def parts(self) -> list[Part]:
        """One table, or none where no event says the property."""
        return [Part(self._columns)] if self.base.parts and len(self._kept) else []

    @property
    def data_time(self) -> datetime:
        return self.base.data_time

    @property
    def span(self) -> tuple[int, int]:
        return self.base.span

    def kind_ids(self, codes: Iterable[str]) -> dict[str, int]:
        return self.base.kind_ids(codes)

    def own_ids(self, attribute: str, part: int) -> np.ndarray | None:
        """A session has no record of its own."""
        return None

    def values(self, attribute: str, ids: Sequence[int]) -> dict[int, Value]:
        return self.base.values(attribute, ids)

    def teams(self, agent_ids: Sequence[int]) -> dict[int, int]:
        return self.base.teams(agent_ids)

    def without_events(self) -> tuple[np.ndarray, np.ndarray]:
        return NOBODY, NOBODY

    def given_back(self, kind: int, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return NOBODY, NOBODY, NOBODY

    def keys(self, ids: Iterable[int]) -> dict[int, str]:
        """The property's own values."""
        values = self._codes[1]
        return {number: values[number] for number in ids}

    def customers_of(self, ids: np.ndarray) -> np.ndarray:
        """Whose events are in these units, in order."""
        if not len(ids):
            return NOBODY
        of_unit = self._codes[0][self._kept]
        return np.unique(self._events.customers[self._kept][np.isin(of_unit, ids)])

    def texts(self, name: str, part: int) -> Texts:
        values: dict[str, int] = {"": 0}
        found = []
        for number in range(len(self.base.parts)):
            texts = self.base.texts(name, number)
            places = np.array([values.setdefault(v, len(values)) for v in texts.values], np.int32)
            found.append(places[texts.codes])
        return Texts(np.concatenate(found)[self._kept], list(values))

    def cents(self, kind: int, name: str, part: int) -> np.ndarray:
        return self._of_kind(kind, [
            self.base.cents(kind, name, number) for number in range(len(self.base.parts))
        ])  # fmt: skip

    def matching(self, kind: int, tests: Sequence[ConditionLike], part: int) -> np.ndarray:
        return self._of_kind(kind, [
            self.base.matching(kind, tests, number) for number in range(len(self.base.parts))
        ])  # fmt: skip

    def _of_kind(self, kind: int, found: list[np.ndarray]) -> np.ndarray:
        """Values of the base's events of one kind, in our order."""
        values = np.concatenate(found)
        everywhere = np.zeros(len(self._codes[0]), values.dtype)
        everywhere[self._events.kinds == kind] = values
        ours = everywhere[self._kept]
        return ours[self._events.kinds[self._kept] == kind]


def of_unit(source: Source, unit: str) -> Source:
    """The source by the unit of a question: `customer`, or `property:NAME`."""
    name = unit.removeprefix("property:")
    if name == unit or isinstance(source, RegroupedSource):
        return source
    if hasattr(source, "engines"):
        return source.by_unit(name)
    return RegroupedSource(source, name)
