"""Messages of the application to agents (应用消息)."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, at_most, some
from crm.wecom.limits import limits
from crm.wecom.records import AppMessageSent, Wire
from crm.wecom.words import within

DUPLICATE_CHECK_SECONDS = 1800


class MessageCalls(Calls):
    def send_app_message(self, userids: Sequence[str], text: str) -> AppMessageSent:
        """Write to agents in the name of the application; the same text once in half an hour."""
        return self.send_app_content(userids, "text", {"content": text})

    def send_app_card(
        self, userids: Sequence[str], *, title: str, description: str, url: str, button: str = ""
    ) -> AppMessageSent:
        """The same as a card that opens a page of ours."""
        within(title, limits().link_title_bytes, _("标题"))
        within(description, limits().link_description_bytes, _("描述"))
        card = {"title": title, "description": description, "url": url}
        return self.send_app_content(
            userids, "textcard", card | ({"btntxt": button} if button else {})
        )

    def send_app_content(self, userids: Sequence[str], kind: str, content: Wire) -> AppMessageSent:
        """Any kind of message with its body as the documentation has it.

        Non-repeatable for good; for half an hour WeCom itself drops the same words.
        """
        named = at_most(some(userids), limits().app_message_members, _("员工"))
        body = {"touser": "|".join(named), "msgtype": kind, "agentid": self._agent_id}
        body |= {kind: content, "enable_duplicate_check": 1}
        body["duplicate_check_interval"] = DUPLICATE_CHECK_SECONDS
        wire = self._call(methods.SEND_APP_MESSAGE, body=body)
        invalid = (wire.get("invaliduser") or "").split("|")
        return AppMessageSent(
            wire.get("msgid") or "",
            tuple(userid for userid in invalid if userid),
            wire.get("response_code") or "",
        )

    def recall_app_message(self, msgid: str) -> None:
        """Take a message back within a day, from WeCom's client only."""
        self._call(methods.RECALL_APP_MESSAGE, body={"msgid": msgid})

    def update_app_card(self, card_code: str, userids: Sequence[str], *, button: str) -> None:
        """Replace the button of a template card once, within a day."""
        body = {"userids": some(userids), "agentid": self._agent_id, "response_code": card_code}
        body["button"] = {"replace_name": button}
        self._call(methods.UPDATE_APP_CARD, body=body)
