"""Welcomes of new customers, and the shelf of welcomes that owners may choose for their groups."""

from collections.abc import Sequence

from crm.wecom import methods
from crm.wecom.attachments import Attachment, content_to_wire
from crm.wecom.calls.base import Calls
from crm.wecom.records import Wire
from crm.wecom.shelf_records import GroupWelcome


class WelcomeCalls(Calls):
    def send_welcome(self, *, code: str, text: str, attachments: Sequence[Attachment] = ()) -> None:
        """Greet a new customer. The code of their callback works once, for 20 seconds (41050).

        Non-repeatable: WeCom does not tell whether a used code was used by us. 41051 says that
        another application was first; 41096 (RetryLater) that one is sending just now.
        """
        body = {"welcome_code": code, **content_to_wire(text, attachments)}
        self._call(methods.SEND_WELCOME, body=body)

    def create_group_welcome(self, welcome: GroupWelcome, *, tells_owners: bool = True) -> str:
        """Put a welcome on the shelf; owners choose it for their groups themselves.

        Non-repeatable: no list shows them, keep the id.
        """
        body = {**_group_welcome(welcome), "notify": int(tells_owners)}
        return self._call(methods.CREATE_GROUP_WELCOME, body=body)["template_id"]

    def group_welcome(self, template_id: str) -> GroupWelcome:
        wire = self._call(methods.GROUP_WELCOME, body={"template_id": template_id})
        return GroupWelcome.from_wire(wire)

    def edit_group_welcome(self, template_id: str, welcome: GroupWelcome) -> None:
        """Replace what it says. Repeatable."""
        body = {"template_id": template_id, **_group_welcome(welcome)}
        self._call(methods.EDIT_GROUP_WELCOME, body=body)

    def delete_group_welcome(self, template_id: str) -> None:
        self._call(methods.DELETE_GROUP_WELCOME, body={"template_id": template_id})


def _group_welcome(welcome: GroupWelcome) -> Wire:
    """Its one attachment stands at the top level, not in a list."""
    card = welcome.attachment
    wire = content_to_wire(welcome.text, [card] if card else [])
    wire.pop("attachments", None)
    return wire | ({str(card.kind): card.body()} if card else {})
