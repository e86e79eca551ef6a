"""Statistics that WeCom makes of agents and groups, once a day until yesterday."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, at_most, some, unix
from crm.wecom.limits import limits
from crm.wecom.records import BehaviorDay, GroupFigures, Wire

BY_ALL_MEMBERS = 4
OWNERS_PER_PAGE = 1000


class StatisticsCalls(Calls):
    def behavior_data(self, userid: str, start: datetime, end: datetime) -> list[BehaviorDay]:
        """One agent's days (WeCom would add several agents into one sum)."""
        body = {"userid": [userid], "start_time": unix(start), "end_time": unix(end)}
        rows = self._call(methods.BEHAVIOR, body=body)["behavior_data"]
        return [BehaviorDay.from_wire(row) for row in rows]

    def group_figures(
        self, owners: Sequence[str], start: datetime, end: datetime
    ) -> dict[str, GroupFigures]:
        """The groups of up to 100 owners over at most 30 days, by owner."""
        body = self._span(owners, start, end)
        body |= {"order_by": BY_ALL_MEMBERS, "limit": OWNERS_PER_PAGE, "offset": 0}
        found: dict[str, GroupFigures] = {}
        while True:  # The one list that is paged by offset.
            page = self._call(methods.GROUP_FIGURES, body=body)
            for item in page["items"]:
                found[item["owner"]] = GroupFigures.from_wire(item["data"])
            body["offset"] = int(page.get("next_offset") or 0)
            if not page["items"] or body["offset"] >= int(page["total"]):
                return found

    def group_days(
        self, owners: Sequence[str], start: datetime, end: datetime
    ) -> list[GroupFigures]:
        """The groups of up to 100 owners together, day by day."""
        rows = self._call(methods.GROUP_DAYS, body=self._span(owners, start, end))["items"]
        return [GroupFigures.from_wire(row["data"], row["stat_time"]) for row in rows]

    @staticmethod
    def _span(owners: Sequence[str], start: datetime, end: datetime) -> Wire:
        named = at_most(some(owners), limits().members_per_call, _("群主"))
        span = {"day_begin_time": unix(start), "day_end_time": unix(end)}
        return span | {"owner_filter": {"userid_list": named}}
