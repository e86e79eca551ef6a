"""People come through codes: they scan and find a member, or themselves in a group."""

import json

from . import shelf
from .acts_contacts import ContactActs
from .acts_groups import GroupActs
from .channels import SCAN
from .routes_directory import expand_departments
from .routes_ways import JOIN_WAY, WAY, expired

LARGEST_GROUP = 500  # People; `settings {"group_size": n}` makes groups fill up sooner.


class ChannelActs(ContactActs, GroupActs):
    """Acts that begin at something an app has put up."""

    def scan(
        self,
        *,
        config_id: str = "",
        external_userid: str = "",
        name: str = "",
        half: bool = False,
        accept: bool = True,
    ) -> dict:
        """A person scans a code; where it asks for confirmation, the member may decline."""
        join_way = shelf.find(self.db, JOIN_WAY, config_id)
        if join_way:
            return self._scan_join_way(join_way, external_userid, name)
        way = self._shelved(WAY, config_id)
        return self._scan_way(way, external_userid, name, half=half, accept=accept)

    def _scan_way(
        self, way: shelf.Thing, external_userid: str, name: str, *, half: bool, accept: bool
    ) -> dict:
        if expired(way, self.now):
            raise self._cannot("the code has expired")
        external_userid = external_userid or self._newcomer(name)
        self._only_for(way, external_userid)
        userid = self._chosen_by(way, external_userid)
        if not way.body["skip_verify"] and not accept:
            return {"accepted": False, "UserID": userid, "ExternalUserID": external_userid}
        state = way.body["state"]
        told = self.add(
            userid=userid,
            external_userid=external_userid,
            state=state,
            half=half and way.body["skip_verify"],
            add_way=SCAN,
        )
        until = self.now + way.body["chat_expires_in"] if way.body["is_temp"] else None
        self.db.execute(
            "insert or replace into way_scans values (?, ?, ?, ?, ?)",
            (way.id, userid, external_userid, self.now, until),
        )
        if way.body["is_temp"]:
            shelf.rewrite(self.db, way, way.body | {"used": True})
        return told

    def join(self, *, config_id: str = "", external_userid: str = "", name: str = "") -> dict:
        """A person scans the code of a group; without an id, of any."""
        return self._scan_join_way(self._shelved(JOIN_WAY, config_id), external_userid, name)

    def _scan_join_way(self, way: shelf.Thing, external_userid: str, name: str) -> dict:
        external_userid = external_userid or self._newcomer(name)
        chat = self._chat(self._with_room(way, external_userid))
        self._enter(chat["chat_id"], external_userid, kind=2, scene=3, state=way.body["state"])
        return self._members_changed(chat, "add_member", external_userid, JoinScene=3)

    def _with_room(self, way: shelf.Thing, external_userid: str) -> str:
        """The first group that is not full, else a new one if the code may open it."""
        size = self.sandbox.store.get("group_size", LARGEST_GROUP)
        found = self.db.execute(
            "select c.chat_id, c.owner, count(m.member) as people,"
            " coalesce(max(m.member = ?), 0) as inside"
            " from json_each(?) listed join chats c on c.chat_id = listed.value"
            " left join chat_members m using (chat_id) where c.dismissed_at is null"
            " group by c.chat_id order by listed.key",
            (external_userid, json.dumps(way.body["chat_id_list"])),
        ).fetchall()
        for chat in found:
            if chat["inside"]:
                raise self._cannot(f"{external_userid} is in {chat['chat_id']} already")
            if chat["people"] < size:
                return chat["chat_id"]
        if not found or not way.body["auto_create_room"]:
            raise self._cannot("all groups of this code are full")
        number = way.body["room_base_id"] + way.body.get("rooms", 0)
        base = way.body["room_base_name"]
        name = f"{base}{number}" if base else ""
        made = self.group_create(owner=found[-1]["owner"], name=name)
        body = way.body | {"rooms": way.body.get("rooms", 0) + 1}
        body["chat_id_list"] = [*way.body["chat_id_list"], made["ChatId"]]
        shelf.rewrite(self.db, way, body)
        return made["ChatId"]

    def _only_for(self, way: shelf.Thing, external_userid: str) -> None:
        wanted = way.body.get("unionid")
        if wanted:
            row = self.db.execute(
                "select unionid from contacts where external_userid = ?", (external_userid,)
            ).fetchone()
            if row is None or row["unionid"] != wanted:
                raise self._cannot("the code is for somebody else")

    def _chosen_by(self, way: shelf.Thing, external_userid: str) -> str:
        """By the platform's own rule, which the API cannot weigh; an exclusive code knows one."""
        before = self.db.execute(
            "select userid from way_scans where config_id = ? and external_userid = ?",
            (way.id, external_userid),
        ).fetchone()
        if before and way.body["is_exclusive"]:
            return before["userid"]
        active = self._active(way.body["user"], way.body["party"])
        if not active:
            raise self._cannot("nobody is left behind this code")
        return self.dice.choice(active)

    def _active(self, userids: list[str], departments: list[int]) -> list[str]:
        """Those named who can be added today."""
        named = {*userids, *expand_departments(self.db, departments)}
        found = self.db.execute(
            "select userid from members where status = 1 and follows"
            " and userid in (select value from json_each(?)) order by userid",
            (json.dumps(sorted(named)),),
        )
        return [row["userid"] for row in found]

    def _shelved(self, kind: str, thing_id: str) -> shelf.Thing:
        """The named thing, or any."""
        if thing_id:
            thing = shelf.find(self.db, kind, thing_id)
        else:
            things = shelf.everything(self.db, kind)
            thing = self.dice.choice(things) if things else None
        return self._found(thing, f"{kind} {thing_id}".strip())
