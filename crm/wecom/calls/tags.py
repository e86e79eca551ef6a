"""The catalogue of corp tags, and the tags on relations."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, given, some
from crm.wecom.errors import NothingToSend
from crm.wecom.limits import limits
from crm.wecom.records import TagGroupSeen, Wire
from crm.wecom.words import no_longer_than


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

    def create_corp_tags(
        self, names: Sequence[str], *, group_name: str = "", group_id: str = ""
    ) -> TagGroupSeen:
        """Make tags in a group, which is made or found by its name; returns the new tags.

        State-checkable with ``corp_tags()``: a name that exists already is refused (40071).
        """
        _check_names([*some(names), group_name])
        body: Wire = {"group_id": group_id} if group_id else {"group_name": group_name}
        body["tag"] = [{"name": name} for name in names]
        return TagGroupSeen.from_wire(self._call(methods.CREATE_CORP_TAGS, body=body)["tag_group"])

    def edit_corp_tag(self, wecom_id: str, *, name: str = "", order: int | None = None) -> None:
        """Rename or reorder a tag or a group of tags; larger orders come first. Repeatable."""
        _check_names([name])
        changes = given(name=name or None, order=order)
        if not changes:
            raise NothingToSend(_("没有要修改的内容"))
        self._call(methods.EDIT_CORP_TAG, body={"id": wecom_id, **changes})

    def delete_corp_tags(
        self, *, tag_ids: Sequence[str] = (), group_ids: Sequence[str] = ()
    ) -> None:
        """Delete tags, or groups with all that is in them; a group goes with its last tag."""
        some([*tag_ids, *group_ids])
        body = {"tag_id": list(tag_ids), "group_id": list(group_ids)}
        self._call(methods.DELETE_CORP_TAGS, body=body)

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


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        no_longer_than(name, limits().tag_name_ch, _("标签名"))
