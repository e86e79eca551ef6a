"""Customer acquisition links (获客链接): paid, with a quota and figures of their own."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, at_most, some, unix
from crm.wecom.channel_records import (
    AcquisitionLink,
    LinkChat,
    LinkCreated,
    LinkCustomer,
    LinkFigures,
    LinkQuota,
)
from crm.wecom.limits import limits
from crm.wecom.words import no_longer_than


class LinkCalls(Calls):
    def create_link(self, link: AcquisitionLink) -> LinkCreated:
        """Make a link. State-checkable: after OutcomeUnknown look for its name in ``links()``."""
        _check(link)
        wire = self._call(methods.CREATE_LINK, body=link.to_wire())["link"]
        return LinkCreated(wire["link_id"], wire["url"])

    def link_ids(self) -> list[str]:
        """All links of the corporation."""
        return [
            link_id
            for page in self._pages(methods.LINKS, body={"limit": 100})
            for link_id in page["link_id_list"]
        ]

    def link(self, link_id: str) -> AcquisitionLink:
        wire = self._call(methods.LINK, body={"link_id": link_id})
        return AcquisitionLink.from_wire(wire, link_id=link_id)

    def update_link(self, link_id: str, link: AcquisitionLink) -> None:
        """Set name, agents and options. Repeatable."""
        _check(link)
        self._call(methods.UPDATE_LINK, body={"link_id": link_id, **link.to_wire()})

    def delete_link(self, link_id: str) -> None:
        self._call(methods.DELETE_LINK, body={"link_id": link_id})

    def link_customers(self, link_id: str) -> Iterator[LinkCustomer]:
        """Everybody who was added through a link."""
        body = {"link_id": link_id, "limit": 1000}
        rows = self._rows(methods.LINK_CUSTOMERS, "customer_list", body)
        return (LinkCustomer.from_wire(row) for row in rows)

    def link_quota(self) -> LinkQuota:
        """What is left of the paid quota."""
        return LinkQuota.from_wire(self._call(methods.LINK_QUOTA))

    def link_figures(self, link_id: str, start: datetime, end: datetime) -> LinkFigures:
        """Clicks and additions of at most 30 days."""
        body = {"link_id": link_id, "start_time": unix(start), "end_time": unix(end)}
        wire = self._call(methods.LINK_FIGURES, body=body)
        return LinkFigures(int(wire["click_link_customer_cnt"]), int(wire["new_customer_cnt"]))

    def link_chat(self, chat_key: str) -> LinkChat:
        """Whom an event about a link speaks of; its key works for half an hour."""
        return LinkChat.from_wire(self._call(methods.LINK_CHAT, body={"chat_key": chat_key}))


def _check(link: AcquisitionLink) -> None:
    some([*link.userids, *map(str, link.department_ids)])
    at_most(link.userids, limits().link_members, _("员工"))
    no_longer_than(link.name, limits().link_name_ch, _("名称"))
