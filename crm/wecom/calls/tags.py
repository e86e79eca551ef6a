"""The catalogue of corp tags, and the tags on relations."""

from collections.abc import Sequence

from crm.wecom import methods
from crm.wecom.calls.base import Calls, some
from crm.wecom.records import TagGroupSeen, Wire


class TagCalls(Calls):
    def corp_tags(
        self, *, tag_ids: Sequence[str] = (), group_ids: Sequence[str] = ()
    ) -> list[TagGroupSeen]:
        """The catalogue of corp tags, or the part that is named; deleted ones left out."""
        wire = self.corp_tags_wire(tag_ids=tag_ids, group_ids=group_ids)
        return [TagGroupSeen.from_wire(group) for group in wire]

    def corp_tags_wire(
        self, *, tag_ids: Sequence[str] = (), group_ids: Sequence[str] = ()
    ) -> list[Wire]:
        """The same as it came, for a sync to keep until it is complete."""
        asked = {"tag_id": list(tag_ids), "group_id": list(group_ids)}
        body = {name: ids for name, ids in asked.items() if ids}
        groups = self._call(methods.CORP_TAGS, body=body)["tag_group"]
        return [group for group in groups if not group.get("deleted")]

    def mark_tags(
        self,
        *,
        userid: str,
        external_userid: str,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
    ) -> None:
        """Put tags on one agent's relation with a customer and take others off; repeatable."""
        some([*add, *remove])
        body = {"userid": userid, "external_userid": external_userid}
        body |= {"add_tag": list(add), "remove_tag": list(remove)}
        self._call(methods.MARK_TAGS, body=body)
