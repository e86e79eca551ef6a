"""Statistics that WeCom makes of agents, once a day until yesterday."""

from datetime import datetime

from crm.wecom import methods
from crm.wecom.calls.base import Calls, unix
from crm.wecom.records import BehaviorDay


class StatisticsCalls(Calls):
    def behavior_data(self, userid: str, start: datetime, end: datetime) -> list[BehaviorDay]:
        """One agent's days (WeCom would add several agents into one sum)."""
        body = {"userid": [userid], "start_time": unix(start), "end_time": unix(end)}
        rows = self._call(methods.BEHAVIOR, body=body)["behavior_data"]
        return [BehaviorDay.from_wire(row) for row in rows]
