"""Mass sends: tasks that agents confirm, and what became of them (no step has a callback)."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.attachments import Attachment, content_to_wire
from crm.wecom.calls.base import Calls, at_most, some, unix
from crm.wecom.errors import Refused
from crm.wecom.limits import limits
from crm.wecom.mass_records import MassCreated, MassResultSeen, MassSeen, MassTaskSeen
from crm.wecom.records import Wire

ALREADY_CANCELLED = 41093
ALL_CREATORS = 2


class MassCalls(Calls):
    def create_mass_send(
        self,
        *,
        sender: str,
        external_userids: Sequence[str],
        text: str,
        attachments: Sequence[Attachment] = (),
        allow_select: bool = False,
    ) -> MassCreated:
        """Ask one agent to send to these customers; ``allow_select`` lets them leave some out.

        State-checkable: after OutcomeUnknown look it up with ``mass_sends()``.
        """
        customers = at_most(some(external_userids), limits().mass_customers, _("客户"))
        body = {"chat_type": "single", "sender": _named(sender), "external_userid": customers}
        body |= {"allow_select": allow_select}
        return self._create_mass(body | content_to_wire(text, attachments))

    def create_group_send(
        self,
        *,
        sender: str,
        chat_ids: Sequence[str],
        text: str,
        attachments: Sequence[Attachment] = (),
    ) -> MassCreated:
        """Ask the owner of these groups to post in them; state-checkable like the other."""
        groups = at_most(some(chat_ids), limits().mass_groups, _("客户群"))
        body = {"chat_type": "group", "sender": _named(sender), "chat_id_list": groups}
        return self._create_mass(body | content_to_wire(text, attachments))

    def _create_mass(self, body: Wire) -> MassCreated:
        wire = self._call(methods.CREATE_MASS_SEND, body=body)
        return MassCreated(wire["msgid"], tuple(wire.get("fail_list") or ()))

    def mass_sends(
        self,
        start: datetime,
        end: datetime,
        *,
        chat_type: Literal["single", "group"] = "single",
        creator: str = "",
    ) -> list[MassSeen]:
        """Mass sends created in a window of at most a month, corporate and personal."""
        body: Wire = {"chat_type": chat_type, "start_time": unix(start), "end_time": unix(end)}
        body |= {"filter_type": ALL_CREATORS, "limit": 100}
        if creator:
            body["creator"] = creator
        rows = self._rows(methods.MASS_SENDS, "group_msg_list", body)
        return [MassSeen.from_wire(row) for row in rows]

    def mass_send_tasks(self, msgid: str) -> list[MassTaskSeen]:
        """Which agents were asked, and who has sent. RetryLater (41063) just after creation."""
        rows = self._rows(methods.MASS_SEND_TASKS, "task_list", {"msgid": msgid, "limit": 1000})
        return [MassTaskSeen.from_wire(row) for row in rows]

    def mass_send_results(self, msgid: str, userid: str) -> Iterator[MassResultSeen]:
        """What became of each recipient of one agent; groups appear once they were sent to."""
        body = {"msgid": msgid, "userid": userid, "limit": 1000}
        rows = self._rows(methods.MASS_SEND_RESULTS, "send_list", body)
        return (MassResultSeen.from_wire(row) for row in rows)

    def remind_mass_send(self, msgid: str) -> None:
        """Remind the agents who have not sent; three times a day at most (41094)."""
        self._call(methods.REMIND_MASS_SEND, body={"msgid": msgid})

    def cancel_mass_send(self, msgid: str) -> None:
        """Stop the agents who have not sent yet; nothing is recalled. Twice is as good as once."""
        try:
            self._call(methods.CANCEL_MASS_SEND, body={"msgid": msgid})
        except Refused as refusal:
            if refusal.code != ALREADY_CANCELLED:
                raise


def _named(sender: str) -> str:
    # Without a sender the task would go to whoever WeCom thinks of.
    return some([sender] if sender else [])[0]
