"""Customers and members: adding, deleting both ways, noting, writing."""

import sqlite3

from .acts_base import Actor, CannotAct
from .channels import BY_STATE, MIX
from .clock import day_start
from .routes_tags import mark


class ContactActs(Actor):
    """Acts that tell `change_external_contact`."""

    def add(
        self,
        *,
        userid: str = "",
        external_userid: str = "",
        state: str | None = None,
        name: str = "",
        half: bool = False,
        add_way: int | None = None,
    ) -> dict:
        """A person adds an agent through a channel; known people may come back."""
        userid = userid or self._member()["userid"]
        channel = BY_STATE.get(state or "", MIX.draw(self.dice))
        state = channel.state if state is None else state
        add_way = channel.add_way if add_way is None else add_way
        external_userid = external_userid or self._newcomer(name)
        known = self.db.execute(
            "select type, (select chatted_day from relations r where r.userid = ?"
            "   and r.external_userid = c.external_userid) as chatted_day"
            " from contacts c where external_userid = ?",
            (userid, external_userid),
        ).fetchone()
        if not known:
            raise CannotAct(f"unknown external_userid {external_userid}")
        self.db.execute(
            "insert into relations (userid, external_userid, createtime, add_way, state,"
            " oper_userid, half) values (?, ?, ?, ?, ?, ?, ?) on conflict do update set"
            " createtime = excluded.createtime, add_way = excluded.add_way,"
            " state = excluded.state, half = excluded.half, lost_by = '', lost_at = null",
            (userid, external_userid, self.now, add_way, state, external_userid, half),
        )
        self._count(userid, new_contact=1)
        # No code for partners, for acquaintances, or where the console has a welcome of its own.
        native = self._member_row(userid)["native_welcome"]
        silent = native or known["chatted_day"] or known["type"] == 2
        code = "" if silent else self._welcome(userid, external_userid)
        kind = "add_half_external_contact" if half else "add_external_contact"
        return self._contact(kind, userid, external_userid, State=state, WelcomeCode=code)

    def add_half(self, **given) -> dict:
        """Skip-verify code: the customer's side is done, the member's is not."""
        return self.add(half=True, **given)

    def complete_half(self, *, userid: str = "", external_userid: str = "") -> dict:
        """The member's side follows; the code went out with the half event."""
        pair = self._pair(userid, external_userid, half=True)
        self.db.execute(
            "update relations set half = 0 where userid = ? and external_userid = ?",
            (pair["userid"], pair["external_userid"]),
        )
        return self._contact(
            "add_external_contact", pair["userid"], pair["external_userid"], State=pair["state"]
        )

    def delete_by_customer(self, *, userid: str = "", external_userid: str = "") -> dict:
        pair = self._pair(userid, external_userid)
        self._lose(pair, "customer")
        self._count(pair["userid"], negative=1)
        return self._contact("del_follow_user", pair["userid"], pair["external_userid"])

    def delete_by_agent(self, *, userid: str = "", external_userid: str = "") -> dict:
        pair = self._pair(userid, external_userid)
        self._lose(pair, "agent")
        return self._contact("del_external_contact", pair["userid"], pair["external_userid"])

    def edit(
        self,
        *,
        userid: str = "",
        external_userid: str = "",
        remark: str | None = None,
        add_tag: list[str] | None = None,
        remove_tag: list[str] | None = None,
    ) -> dict:
        """A member notes something or tags the customer in the client."""
        pair = self._pair(userid, external_userid)
        key = (pair["userid"], pair["external_userid"])
        if remark is None and add_tag is None and remove_tag is None:
            tags = self.db.execute("select tag_id from tags where not deleted").fetchall()
            add_tag = [self.dice.choice(tags)["tag_id"]] if tags else []
        if remark is not None:
            self.db.execute(
                "update relations set remark = ? where userid = ? and external_userid = ?",
                (remark[:20], *key),
            )
        mark(self.db, *key, add_tag or [], remove_tag or [])
        return self._contact("edit_external_contact", *key, State=pair["state"])

    def _wrote(self, pair: sqlite3.Row) -> None:
        """A customer opens a chat, and the member answers in their own time."""
        self.db.execute(
            "update relations set chatted_day = ? where userid = ? and external_userid = ?",
            (day_start(self.now), pair["userid"], pair["external_userid"]),
        )
        wait = int(self._member_row(pair["userid"])["reply_minutes"] * 60)
        self._count(pair["userid"], opened=1, answered=1, answer_seconds=wait, chat=1, message=2)
