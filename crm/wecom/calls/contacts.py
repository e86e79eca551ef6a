"""Customers and their relations with agents."""

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, batches, given, some
from crm.wecom.errors import NothingToSend, Refused
from crm.wecom.limits import limits
from crm.wecom.records import ContactSeen, ExternalSeen, Page, RelationSeen, ServedSeen
from crm.wecom.words import no_longer_than

CONTACTS_PER_PAGE = 100
NO_RELATION = 84061


class ContactCalls(Calls):
    def contact(self, external_userid: str) -> ContactSeen:
        """A customer with all relations that WeCom still lists."""
        query = {"external_userid": external_userid}
        pages = list(self._pages(methods.CONTACT, query=query))
        relations = [RelationSeen.from_wire(row) for page in pages for row in page["follow_user"]]
        return ContactSeen(ExternalSeen.from_wire(pages[0]["external_contact"]), tuple(relations))

    def customer_ids(self, userid: str) -> list[str]:
        """One agent's customers; nobody is answered by an error, hence the empty list."""
        try:
            return self._call(methods.CUSTOMER_IDS, query={"userid": userid})["external_userid"]
        except Refused as refusal:
            if refusal.code == NO_RELATION:
                return []
            raise

    def served_contacts(self) -> Iterator[ServedSeen]:
        """Everybody who was served, also those who never became customers."""
        rows = self._rows(methods.SERVED_CONTACTS, "info_list", {"limit": 1000})
        return (ServedSeen.from_wire(row) for row in rows)

    def openid_of(self, external_userid: str) -> str:
        """The openid of a WeChat customer, for payments (41056 for those of WeCom)."""
        return self._call(methods.OPENID, body={"external_userid": external_userid})["openid"]

    def update_remark(
        self,
        *,
        userid: str,
        external_userid: str,
        remark: str | None = None,
        description: str | None = None,
        company: str | None = None,
        phones: Sequence[str] | None = None,
    ) -> None:
        """Change an agent's notes on a customer; None leaves one as it is. Repeatable."""
        no_longer_than(remark or "", limits().remark_ch, _("备注"))
        no_longer_than(description or "", limits().description_ch, _("描述"))
        no_longer_than(company or "", limits().remark_ch, _("公司"))
        notes = given(remark=remark, description=description, remark_company=company)
        if phones is not None:
            notes["remark_mobiles"] = list(phones) or [""]  # One empty number clears the list.
        if not notes:
            raise NothingToSend(_("没有要修改的内容"))
        body = {"userid": userid, "external_userid": external_userid, **notes}
        self._call(methods.UPDATE_REMARK, body=body)

    def contacts_page(self, userids: Sequence[str], cursor: str = "") -> Page:
        """One page of (customer, relation) pairs of up to 100 agents."""
        body = {"userid_list": some(userids), "limit": CONTACTS_PER_PAGE, "cursor": cursor}
        wire = self._call(methods.CONTACTS_OF, body=body)
        left_out = (wire.get("fail_info") or {}).get("unlicensed_userid_list") or ()
        return Page(wire["external_contact_list"], wire.get("next_cursor") or "", tuple(left_out))

    def contacts_of(self, userids: Sequence[str]) -> Iterator[ContactSeen]:
        """All pairs of these agents, page by page."""
        for batch in batches(some(userids), limits().members_per_call):
            cursor = ""
            while True:
                page = self.contacts_page(batch, cursor)
                yield from (ContactSeen.from_pair(item) for item in page.items)
                cursor = page.next_cursor
                if not cursor:
                    break
