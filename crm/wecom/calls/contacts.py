"""Customers and their relations with agents."""

from collections.abc import Iterator, Sequence

from crm.wecom import methods
from crm.wecom.calls.base import Calls, batches, some
from crm.wecom.records import ContactSeen, ExternalSeen, Page, RelationSeen

MEMBERS_PER_CALL = 100
CONTACTS_PER_PAGE = 100


class ContactCalls(Calls):
    def contact(self, external_userid: str) -> ContactSeen:
        """A customer with all relations that WeCom still lists."""
        query = {"external_userid": external_userid}
        pages = list(self._pages(methods.CONTACT, query=query))
        relations = [RelationSeen.from_wire(row) for page in pages for row in page["follow_user"]]
        return ContactSeen(ExternalSeen.from_wire(pages[0]["external_contact"]), tuple(relations))

    def contacts_page(self, userids: Sequence[str], cursor: str = "") -> Page:
        """One page of (customer, relation) pairs of up to 100 agents."""
        body = {"userid_list": some(userids), "limit": CONTACTS_PER_PAGE, "cursor": cursor}
        wire = self._call(methods.CONTACTS_OF, body=body)
        left_out = (wire.get("fail_info") or {}).get("unlicensed_userid_list") or ()
        return Page(wire["external_contact_list"], wire.get("next_cursor") or "", tuple(left_out))

    def contacts_of(self, userids: Sequence[str]) -> Iterator[ContactSeen]:
        """All pairs of these agents, page by page."""
        for batch in batches(some(userids), MEMBERS_PER_CALL):
            cursor = ""
            while True:
                page = self.contacts_page(batch, cursor)
                yield from (ContactSeen.from_pair(item) for item in page.items)
                cursor = page.next_cursor
                if not cursor:
                    break
