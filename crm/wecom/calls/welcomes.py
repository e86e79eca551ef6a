"""Welcomes of new customers, and the shelf of welcomes that owners may choose for their groups."""

from collections.abc import Sequence

from crm.wecom import methods
from crm.wecom.attachments import Attachment, content_to_wire
from crm.wecom.calls.base import Calls


class WelcomeCalls(Calls):
    def send_welcome(self, *, code: str, text: str, attachments: Sequence[Attachment] = ()) -> None:
        """Greet a new customer. The code of their callback works once, for 20 seconds (41050).

        Non-repeatable: WeCom does not tell whether a used code was used by us. 41051 says that
        another application was first; 41096 (RetryLater) that one is sending just now.
        """
        body = {"welcome_code": code, **content_to_wire(text, attachments)}
        self._call(methods.SEND_WELCOME, body=body)
