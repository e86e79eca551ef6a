"""Handing customers and groups over, in service (在职继承) and after leaving (离职继承)."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, at_most, some
from crm.wecom.limits import limits
from crm.wecom.records import Wire
from crm.wecom.transfer_records import (
    GroupNotTransferred,
    TransferSeen,
    TransferStarted,
    UnassignedSeen,
)


class TransferCalls(Calls):
    def transfer_customers(
        self,
        *,
        handover_userid: str,
        takeover_userid: str,
        external_userids: Sequence[str],
        message: str = "",
        resigned: bool = False,
    ) -> list[TransferStarted]:
        """Start the transfer of up to 100 customers; they are told and may refuse for 24 hours.

        State-checkable with ``transfer_results()``. ``message`` is what customers read once it is
        done; for agents who have left there is none.
        """
        customers = at_most(some(external_userids), limits().transfer_customers, _("客户"))
        body: Wire = {"handover_userid": handover_userid, "takeover_userid": takeover_userid}
        body["external_userid"] = customers
        if message and not resigned:
            body["transfer_success_msg"] = message
        method = methods.TRANSFER_RESIGNED if resigned else methods.TRANSFER_CUSTOMERS
        rows = self._call(method, body=body)["customer"]
        return [TransferStarted(row["external_userid"], int(row["errcode"])) for row in rows]

    def transfer_results(
        self, *, handover_userid: str, takeover_userid: str, resigned: bool = False
    ) -> list[TransferSeen]:
        """How the transfers between two agents stand."""
        body = {"handover_userid": handover_userid, "takeover_userid": takeover_userid}
        method = methods.RESIGNED_RESULTS if resigned else methods.TRANSFER_RESULTS
        return [TransferSeen.from_wire(row) for row in self._rows(method, "customer", body)]

    def unassigned(self) -> list[UnassignedSeen]:
        """Customers of agents who have left, whom nobody has taken over."""
        rows = self._rows(methods.UNASSIGNED, "info", {"page_size": 1000})
        return [UnassignedSeen.from_wire(row) for row in rows]

    def transfer_groups(
        self, *, chat_ids: Sequence[str], owner: str, resigned: bool = False
    ) -> list[GroupNotTransferred]:
        """Give up to 100 groups to a new owner; returns those that could not change hands.

        State-checkable with ``group()``. WeCom answers "ok" even where every group failed.
        """
        groups = at_most(some(chat_ids), limits().transfer_groups, _("客户群"))
        method = methods.TRANSFER_RESIGNED_GROUPS if resigned else methods.TRANSFER_GROUPS
        wire = self._call(method, body={"chat_id_list": groups, "new_owner": owner})
        failed = wire.get("failed_chat_list") or ()
        return [GroupNotTransferred(row["chat_id"], int(row["errcode"])) for row in failed]
