"""People come through codes: they scan a contact way and find a member."""

import json

from . import shelf
from .acts_contacts import ContactActs
from .channels import SCAN
from .routes_directory import expand_departments
from .routes_ways import WAY, expired


class ChannelActs(ContactActs):
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
        named = {*way.body["user"], *expand_departments(self.db, way.body["party"])}
        active = self.db.execute(
            "select userid from members where status = 1 and follows"
            " and userid in (select value from json_each(?)) order by userid",
            (json.dumps(sorted(named)),),
        ).fetchall()
        if not active:
            raise self._cannot("nobody is left behind this code")
        return self.dice.choice(active)["userid"]

    def _shelved(self, kind: str, thing_id: str) -> shelf.Thing:
        """The named thing, or any."""
        if thing_id:
            thing = shelf.find(self.db, kind, thing_id)
        else:
            things = shelf.everything(self.db, kind)
            thing = self.dice.choice(things) if things else None
        return self._found(thing, f"{kind} {thing_id}".strip())
