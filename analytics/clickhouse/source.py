"""What the warehouse holds of the live facts or a dataset, for one viewer."""

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
from django.utils.translation import gettext as _

from analytics.clickhouse.connection import Warehouse, WarehouseRefused, warehouse
from analytics.events.columns import Part
from analytics.events.datasets import DatasetSource
from analytics.events.live import LiveSource
from analytics.events.source import Value
from crm.customers.models import Customer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClickHouseSource:
    """Facts as last loaded. Names come from PostgreSQL, numbers from the warehouse.

    It has no parts: the engines of `analytics.clickhouse` fold where the facts lie. `allowed` None
    means every customer.
    """

    parts: Sequence[Part] = ()
    engines = {
        "funnels": "analytics.clickhouse.funnels",
        "retention": "analytics.clickhouse.retention",
        "paths": "analytics.clickhouse.paths",
        "transitions": "analytics.clickhouse.transitions",
    }

    def __init__(
        self,
        base: LiveSource | DatasetSource,
        *,
        allowed: np.ndarray | None = None,
        house: Warehouse | None = None,
    ) -> None:
        self.base, self.allowed = base, allowed
        self.house = house or warehouse()
        self.dataset = base.dataset.pk if isinstance(base, DatasetSource) else 0
        self.unit_names: list[str] = []
        self._attribute_names: dict[str, list[str]] = {}

    @classmethod
    def like(cls, base: LiveSource) -> "ClickHouseSource":
        """For the viewer of another source."""
        return cls(base, allowed=base.allowed)

    def by_unit(self, name: str) -> "ClickHouseSource":
        """The same for questions about units: they are numbered and named while they are folded."""
        found = copy(self)
        found.unit_names = [""]
        return found

    @cached_property
    def _bounds(self) -> tuple[int, int, int, int]:
        found = self.house.rows(
            "select count(), min(at), max(at), max(recorded) from facts"
            f" where dataset = {self.dataset}"
        )
        return tuple(int(number) for number in found[0])

    def check_loaded(self) -> None:
        """Raise WarehouseRefused where nothing has been brought over."""
        if not self._bounds[0]:
            raise WarehouseRefused(
                _("ClickHouse 里还没有数据：请先运行 clickhouse load"), field="engine"
            )

    @property
    def data_time(self) -> datetime:
        """When the newest fact was recorded; of a dataset, when its last event happened."""
        _n, _first, last, recorded = self._bounds
        return _EPOCH + timedelta(microseconds=last if self.dataset else recorded)

    @property
    def span(self) -> tuple[int, int]:
        return self._bounds[1] // 1_000_000, self._bounds[2] // 1_000_000

    @property
    def where(self) -> str:
        """A condition on rows of `facts` or `units`: this dataset, this viewer's customers."""
        scope = f"dataset = {self.dataset}"
        if self.allowed is None:
            return scope
        return f"{scope} and customer in ({', '.join(map(str, self.allowed.tolist())) or 'null'})"

    def kind_ids(self, codes: Iterable[str]) -> dict[str, int]:
        return self.base.kind_ids(codes)

    def named(self, attribute: str, names: Sequence[str]) -> dict[str, Value]:
        """Values of an attribute by what the warehouse calls them."""
        if self.dataset or attribute == "stage":
            labels = dict(zip(names, names, strict=True))
            if attribute == "stage":
                labels = _stage_labels(names)
            return {name: Value(name, labels[name]) for name in names}
        found = self.base.values(attribute, [int(name) for name in names])
        return {str(number): value for number, value in found.items()}

    def teams(self, agents: Sequence[str]) -> dict[str, str]:
        """The team of each agent who has one."""
        if self.dataset:
            return {}
        found = self.base.teams([int(agent) for agent in agents])
        return {str(agent): str(team) for agent, team in found.items()}

    def attribute_names(self, attribute: str) -> list[str]:
        """All values of a dataset's channels or agents; their places are their numbers."""
        if attribute not in self._attribute_names:
            self._attribute_names[attribute] = self.house.column(
                f"select distinct toString({attribute}) as name from facts"
                f" where dataset = {self.dataset} and name != '' order by name"
            )
        return self._attribute_names[attribute]

    def all_kinds(self) -> dict[str, int]:
        return self.base.all_kinds()

    def keys(self, ids: Iterable[int]) -> dict[int, str]:
        """What the outside calls these customers or, of a question about units, these units."""
        if self.unit_names:
            return {number: self.unit_names[number] for number in ids}
        return self.base.keys(ids)


def _stage_labels(names: Sequence[str]) -> dict[str, str]:
    return {name: str(Customer.Stage(name).label) for name in names}
