"""Codes that customers scan: contact ways (渠道活码) and join ways of groups (入群码)."""

from datetime import datetime

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, at_most, some, unix
from crm.wecom.channel_records import SEVERAL, SINGLE, ContactWay, JoinWay, WayCreated
from crm.wecom.errors import Refused
from crm.wecom.limits import limits
from crm.wecom.words import no_longer_than

NO_SESSION = 60136


class ChannelCalls(Calls):
    def create_contact_way(self, way: ContactWay, *, single: bool = False) -> WayCreated:
        """Make a code; the QR picture comes with it. ``single`` for exactly one agent.

        State-checkable: after OutcomeUnknown look for its state with ``contact_way_ids()``.
        """
        _check_way(way)
        kind = SINGLE if single or way.is_single or way.temporary else SEVERAL
        body = {"type": kind, "scene": way.scene, **way.to_wire()}
        wire = self._call(methods.CREATE_CONTACT_WAY, body=body)
        return WayCreated(wire["config_id"], wire.get("qr_code") or "")

    def contact_way(self, config_id: str) -> ContactWay:
        """One code as WeCom keeps it."""
        wire = self._call(methods.CONTACT_WAY, body={"config_id": config_id})
        return ContactWay.from_wire(wire["contact_way"])

    def contact_way_ids(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> list[str]:
        """Codes made in a span (by default the last 90 days), temporary ones left out."""
        body = {"limit": 1000}
        body |= {"start_time": unix(start)} if start else {}
        body |= {"end_time": unix(end)} if end else {}
        return [row["config_id"] for row in self._rows(methods.CONTACT_WAYS, "contact_way", body)]

    def update_contact_way(self, config_id: str, way: ContactWay) -> None:
        """Replace the whole code; what the value leaves out becomes empty. Repeatable."""
        _check_way(way)
        wire = way.to_wire()
        wire.pop("is_temp", None)  # Fixed from the beginning, as are type and scene.
        self._call(methods.UPDATE_CONTACT_WAY, body={"config_id": config_id, **wire})

    def delete_contact_way(self, config_id: str) -> None:
        self._call(methods.DELETE_CONTACT_WAY, body={"config_id": config_id})

    def close_temporary_chat(self, userid: str, external_userid: str) -> None:
        """End a temporary session; one that is over already is as good as closed."""
        body = {"userid": userid, "external_userid": external_userid}
        try:
            self._call(methods.CLOSE_TEMPORARY_CHAT, body=body)
        except Refused as refusal:
            if refusal.code != NO_SESSION:
                raise

    def create_join_way(self, way: JoinWay) -> WayCreated:
        """Make a code into groups. Non-repeatable: no list shows join ways, keep the id."""
        _check_join_way(way)
        config_id = self._call(methods.CREATE_JOIN_WAY, body=way.to_wire())["config_id"]
        return WayCreated(config_id)

    def join_way(self, config_id: str) -> JoinWay:
        """One code into groups, with its QR picture."""
        wire = self._call(methods.JOIN_WAY, body={"config_id": config_id})
        return JoinWay.from_wire(wire["join_way"])

    def update_join_way(self, config_id: str, way: JoinWay) -> None:
        """Replace the whole. Repeatable."""
        _check_join_way(way)
        body = {"config_id": config_id, **way.to_wire()}
        self._call(methods.UPDATE_JOIN_WAY, body=body)

    def delete_join_way(self, config_id: str) -> None:
        self._call(methods.DELETE_JOIN_WAY, body={"config_id": config_id})


def _check_way(way: ContactWay) -> None:
    some([*way.userids, *map(str, way.department_ids)])
    at_most(way.userids, limits().way_members, _("员工"))
    no_longer_than(way.state, limits().state_ch, _("渠道参数"))
    no_longer_than(way.remark, limits().way_remark_ch, _("备注"))


def _check_join_way(way: JoinWay) -> None:
    at_most(some(way.chat_ids), limits().join_way_groups, _("客户群"))
    no_longer_than(way.state, limits().state_ch, _("渠道参数"))
    no_longer_than(way.remark, limits().way_remark_ch, _("备注"))
    no_longer_than(way.group_name, limits().room_name_ch, _("群名"))
