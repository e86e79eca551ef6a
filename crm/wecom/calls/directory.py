"""The directory: departments, members, and who may serve customers."""

from crm.wecom import methods
from crm.wecom.calls.base import Calls
from crm.wecom.methods import Method
from crm.wecom.records import SignedIn, Ticket, Wire


class DirectoryCalls(Calls):
    def departments(self) -> list[Wire]:
        """All departments in sight: ``{id, name, parentid, order}``."""
        return self._call(methods.DEPARTMENTS)["department"]

    def members(self, department_id: int) -> list[Wire]:
        """Members directly in a department, in the shape of ``user/list``."""
        return self._call(methods.MEMBERS, query={"department_id": department_id})["userlist"]

    def department(self, department_id: int) -> Wire:
        """One department."""
        return self._call(methods.DEPARTMENT, query={"id": department_id})["department"]

    def department_ids(self) -> list[Wire]:
        """The tree alone: ``{id, parentid, order}``."""
        return self._call(methods.DEPARTMENT_IDS)["department_id"]

    def member_names(self, department_id: int) -> list[Wire]:
        """Members directly in a department: ``{userid, name, department}``."""
        query = {"department_id": department_id}
        return self._call(methods.MEMBER_NAMES, query=query)["userlist"]

    def member_ids(self) -> list[tuple[str, int]]:
        """(userid, department) of everybody; WeCom asks for the secret of the directory sync."""
        rows = self._rows(methods.MEMBER_IDS, "dept_user", {"limit": 10_000})
        return [(row["userid"], int(row["department"])) for row in rows]

    def signed_in(self, code: str) -> SignedIn:
        """Who comes back from WeCom's sign-in page with this code."""
        wire = self._call(methods.SIGNED_IN, query={"code": code})
        return SignedIn(wire.get("userid") or "", wire.get("user_ticket") or "")

    def member_details(self, ticket: str) -> Wire:
        """What a member agreed to hand over: ``{userid, gender, mobile, email, …}``."""
        return self._call(methods.MEMBER_DETAILS, body={"user_ticket": ticket})

    def page_ticket(self) -> Ticket:
        """For pages in the name of the corporation."""
        return self._ticket(methods.PAGE_TICKET)

    def app_ticket(self) -> Ticket:
        """For pages in the name of the application, such as the chat sidebar."""
        return self._ticket(methods.APP_TICKET, query={"type": "agent_config"})

    def _ticket(self, method: Method, **request: Wire) -> Ticket:
        wire = self._call(method, **request)
        return Ticket(wire["ticket"], int(wire["expires_in"]))

    def callback_addresses(self) -> list[str]:
        """Addresses from which WeCom's callbacks come."""
        return self._call(methods.CALLBACK_ADDRESSES)["ip_list"]

    def api_addresses(self) -> list[str]:
        """Addresses of WeCom's own servers."""
        return self._call(methods.API_ADDRESSES)["ip_list"]

    def member(self, userid: str) -> Wire:
        """One member, in the same shape."""
        return self._call(methods.MEMBER, query={"userid": userid})

    def follow_users(self) -> list[str]:
        """Userids of the members who may serve customers."""
        return self._call(methods.FOLLOW_USERS)["follow_user"]
