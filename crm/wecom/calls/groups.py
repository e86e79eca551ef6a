"""Customer groups (客户群)."""

from collections.abc import Sequence
from typing import Any

from crm.wecom import methods
from crm.wecom.calls.base import Calls
from crm.wecom.records import GroupSeen, Wire


class GroupCalls(Calls):
    def groups(self, *, owners: Sequence[str] = ()) -> list[str]:
        """Ids of customer groups, of up to 100 owners or of the whole scope."""
        body: dict[str, Any] = {"status_filter": 0, "limit": 1000}
        if owners:
            body["owner_filter"] = {"userid_list": list(owners)}
        pages = self._pages(methods.GROUPS, body=body)
        return [row["chat_id"] for page in pages for row in page["group_chat_list"]]

    def group(self, chat_id: str) -> GroupSeen:
        """One group with its members and their names."""
        return GroupSeen.from_wire(self.group_wire(chat_id))

    def group_wire(self, chat_id: str) -> Wire:
        """The same as it came, for a sync to keep until it is complete."""
        return self._call(methods.GROUP, body={"chat_id": chat_id, "need_name": 1})["group_chat"]

    def group_of_opengid(self, opengid: str) -> str:
        """The chat_id of a group that a mini-program knows under another name."""
        return self._call(methods.GROUP_OF_OPENGID, body={"opengid": opengid})["chat_id"]
