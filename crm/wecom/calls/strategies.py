"""Rule groups (规则组) of customers and of Moments, which are built alike, and their tags."""

from collections.abc import Sequence
from dataclasses import dataclass

from crm.wecom import methods
from crm.wecom.calls.base import Calls
from crm.wecom.methods import Method
from crm.wecom.records import TagGroupSeen, Wire
from crm.wecom.shelf_records import Range, Strategy, range_nodes, range_of_nodes


@dataclass(frozen=True)
class Sort:
    """One of the two sorts of rule groups."""

    all: Method
    one: Method
    range: Method
    create: Method
    edit: Method
    delete: Method


CUSTOMERS = Sort(
    methods.CUSTOMER_STRATEGIES,
    methods.CUSTOMER_STRATEGY,
    methods.CUSTOMER_STRATEGY_RANGE,
    methods.CREATE_CUSTOMER_STRATEGY,
    methods.EDIT_CUSTOMER_STRATEGY,
    methods.DELETE_CUSTOMER_STRATEGY,
)
MOMENTS = Sort(
    methods.MOMENT_STRATEGIES,
    methods.MOMENT_STRATEGY,
    methods.MOMENT_STRATEGY_RANGE,
    methods.CREATE_MOMENT_STRATEGY,
    methods.EDIT_MOMENT_STRATEGY,
    methods.DELETE_MOMENT_STRATEGY,
)


class StrategyCalls(Calls):
    def strategy_ids(self, sort: Sort = CUSTOMERS) -> list[int]:
        """All rule groups of a sort."""
        rows = self._rows(sort.all, "strategy", {"limit": 1000})
        return [int(row["strategy_id"]) for row in rows]

    def strategy(self, strategy_id: int, sort: Sort = CUSTOMERS) -> Strategy:
        wire = self._call(sort.one, body={"strategy_id": strategy_id})
        return Strategy.from_wire(wire["strategy"])

    def strategy_range(self, strategy_id: int, sort: Sort = CUSTOMERS) -> Range:
        """Members and departments of a rule group."""
        body = {"strategy_id": strategy_id, "limit": 1000}
        return range_of_nodes(list(self._rows(sort.range, "range", body)))

    def create_strategy(self, strategy: Strategy, people: Range, sort: Sort = CUSTOMERS) -> int:
        """Make a rule group; state-checkable with ``strategy_ids()``. One call at a time."""
        body: Wire = {"strategy_name": strategy.name, "admin_list": list(strategy.admins)}
        body |= {"privilege": dict(strategy.privileges), "range": range_nodes(people)}
        if strategy.parent_id:
            body["parent_id"] = strategy.parent_id
        return int(self._call(sort.create, body=body)["strategy_id"])

    def edit_strategy(
        self,
        strategy: Strategy,
        *,
        add: Range | None = None,
        remove: Range | None = None,
        sort: Sort = CUSTOMERS,
    ) -> None:
        """Set name, admins and privileges, and move its range. Repeatable."""
        body: Wire = {"strategy_id": strategy.strategy_id, "strategy_name": strategy.name}
        body |= {"admin_list": list(strategy.admins), "privilege": dict(strategy.privileges)}
        body |= {"range_add": range_nodes(add)} if add else {}
        body |= {"range_del": range_nodes(remove)} if remove else {}
        self._call(sort.edit, body=body)

    def delete_strategy(self, strategy_id: int, sort: Sort = CUSTOMERS) -> None:
        self._call(sort.delete, body={"strategy_id": strategy_id})

    def strategy_tags(self, strategy_id: int) -> list[TagGroupSeen]:
        """Tags of a rule group; they mark relations and filter mass sends, not moments."""
        body = {"strategy_id": strategy_id}
        groups = self._call(methods.STRATEGY_TAGS, body=body)["tag_group"]
        return [TagGroupSeen.from_wire(group) for group in groups if not group.get("deleted")]

    def create_strategy_tags(
        self, strategy_id: int, names: Sequence[str], *, group_name: str
    ) -> TagGroupSeen:
        """Make tags of a first-level rule group; state-checkable with ``strategy_tags()``."""
        body: Wire = {"strategy_id": strategy_id, "group_name": group_name}
        body["tag"] = [{"name": name} for name in names]
        return TagGroupSeen.from_wire(
            self._call(methods.CREATE_STRATEGY_TAGS, body=body)["tag_group"]
        )

    def edit_strategy_tag(self, wecom_id: str, *, name: str) -> None:
        """Rename a tag or a group of tags. Repeatable."""
        self._call(methods.EDIT_STRATEGY_TAG, body={"id": wecom_id, "name": name})

    def delete_strategy_tags(self, tag_ids: Sequence[str]) -> None:
        """Delete tags; a group goes with its last one."""
        self._call(methods.DELETE_STRATEGY_TAGS, body={"tag_id": list(tag_ids)})
