"""What the console and members do that is no customer's business: the directory, the app itself."""

from . import names
from .acts_base import Actor

_RENAMES = (
    "update members set userid = ? where userid = ?",
    "update members set direct_leader = ? where direct_leader = ?",
    "update relations set userid = ? where userid = ?",
    "update relation_tags set userid = ? where userid = ?",
    "update behavior set userid = ? where userid = ?",
    "update chats set owner = ? where owner = ?",
    "update chat_members set member = ? where member = ?",
    "update moment_tasks set userid = ? where userid = ?",
    "update mass_tasks set userid = ? where userid = ?",
)


class CompanyActs(Actor):
    """Acts that tell `change_contact` (with `settings {"contacts_sync": 1}`) and app events."""

    def member_join(self, *, userid: str = "", name: str = "", department: int = 0) -> dict:
        """Somebody is hired."""
        userid = userid or self.dice.key("u", 8).lower()
        department = department or self._department(0)
        self.db.execute(
            "insert into members (userid, name, gender, position, mobile, department, open_userid,"
            " reply_minutes, skill, pushy, diligence) values (?, ?, '0', '旅行顾问', ?, ?, ?, 9, 1,"
            " 1, 0.9)",
            (userid, name or "新同事", names.mobile(self.dice), department, self.dice.key("wo")),
        )
        return self._directory("create_user", UserID=userid, Department=str(department))

    def member_move(self, *, userid: str, department: int = 0) -> dict:
        """Somebody changes to another department."""
        department = department or self._department(self._member_row(userid)["department"])
        self.db.execute("update members set department = ? where userid = ?", (department, userid))
        return self._directory("update_user", UserID=userid, Department=str(department))

    def member_rename(self, *, userid: str, new_userid: str) -> dict:
        """Somebody gets another number; everything that is theirs goes along."""
        self._member_row(userid)
        for statement in _RENAMES:
            self.db.execute(statement, (new_userid, userid))
        return self._directory("update_user", UserID=userid, NewUserID=new_userid)

    def department_create(self, *, name: str = "新部门", parent: int = 1) -> dict:
        row = self.db.execute("select max(id) + 1 as id from departments").fetchone()
        self.db.execute(
            "insert into departments (id, name, name_en, parentid, ord) values (?, ?, '', ?, 1)",
            (row["id"], name, parent),
        )
        return self._directory("create_party", Id=row["id"], Name=name, ParentId=parent, Order=1)

    def department_rename(self, *, department: int, name: str) -> dict:
        self.db.execute("update departments set name = ? where id = ?", (name, department))
        return self._directory("update_party", Id=department, Name=name)

    def department_delete(self, *, department: int) -> dict:
        """Only an empty one can be deleted."""
        inside = self.db.execute(
            "select exists(select 1 from members where department = :id and status <> 5)"
            " or exists(select 1 from departments where parentid = :id) as used",
            {"id": department},
        ).fetchone()
        if inside["used"]:
            raise self._cannot(f"department {department} is not empty")
        self.db.execute("delete from departments where id = ?", (department,))
        return self._directory("delete_party", Id=department)

    def directory_tag(self, *, userid: str = "") -> dict:
        """Somebody gets a tag of the directory, which is no tag of customers."""
        userid = userid or self._member()["userid"]
        return self._directory("update_tag", TagId=1, AddUserItems=userid)

    def app_event(self, *, event: str = "enter_agent", userid: str = "", key: str = "") -> dict:
        """A member opens the app, its menu or its settings."""
        return self._tell(event, FromUserName=userid or self._member()["userid"], **self._app(key))

    def card_click(self, *, userid: str = "", task_id: str = "task-1", key: str = "yes") -> dict:
        """A member presses a button of a card that the app has sent."""
        chosen = {"QuestionKey": "question", "OpitonIds": {"OpitonId": key}}
        return self._tell(
            "template_card_event",
            FromUserName=userid or self._member()["userid"],
            **self._app(key),
            TaskId=task_id,
            CardType="button_interaction",
            ResponseCode=self.sandbox.new_id("rsp"),
            SelectedItems={"SelectedItem": chosen},
        )

    def batch_job(self, *, kind: str = "sync_user") -> dict:
        """A bulk change of the directory ends."""
        job = {"JobId": self.sandbox.new_id("job"), "JobType": kind, "ErrCode": 0, "ErrMsg": "ok"}
        return self._tell("batch_job_result", BatchJob=job)

    def _app(self, key: str) -> dict:
        return {"AgentID": self.sandbox.config.agent_id, "EventKey": key}

    def _department(self, besides: int) -> int:
        row = self.db.execute(
            "select id from departments where id <> ? order by random() limit 1", (besides,)
        ).fetchone()
        return self._found(row, "department")["id"]
