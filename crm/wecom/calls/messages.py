"""Messages of the application to agents (应用消息)."""

from collections.abc import Sequence

from crm.wecom import methods
from crm.wecom.calls.base import Calls, some
from crm.wecom.records import AppMessageSent

DUPLICATE_CHECK_SECONDS = 1800


class MessageCalls(Calls):
    def send_app_message(self, userids: Sequence[str], text: str) -> AppMessageSent:
        """Write to agents in the name of the application; the same text once in half an hour."""
        body = {
            "touser": "|".join(some(userids)),
            "msgtype": "text",
            "agentid": self._agent_id,
            "text": {"content": text},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": DUPLICATE_CHECK_SECONDS,
        }
        wire = self._call(methods.SEND_APP_MESSAGE, body=body)
        invalid = (wire.get("invaliduser") or "").split("|")
        return AppMessageSent(
            wire.get("msgid") or "", tuple(userid for userid in invalid if userid)
        )
