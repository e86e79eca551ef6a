"""The directory: departments, members, and who may serve customers."""

from crm.wecom import methods
from crm.wecom.calls.base import Calls
from crm.wecom.records import Wire


class DirectoryCalls(Calls):
    def departments(self) -> list[Wire]:
        """All departments in sight: ``{id, name, parentid, order}``."""
        return self._call(methods.DEPARTMENTS)["department"]

    def members(self, department_id: int) -> list[Wire]:
        """Members directly in a department, in the shape of ``user/list``."""
        return self._call(methods.MEMBERS, query={"department_id": department_id})["userlist"]

    def member(self, userid: str) -> Wire:
        """One member, in the same shape."""
        return self._call(methods.MEMBER, query={"userid": userid})

    def follow_users(self) -> list[str]:
        """Userids of the members who may serve customers."""
        return self._call(methods.FOLLOW_USERS)["follow_user"]
