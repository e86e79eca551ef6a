"""Members confirm what the corp asks them to send, and send of their own accord."""

from . import mass, moments, names, transfers
from .acts_base import Actor


class OutreachActs(Actor):
    """Acts of members that have no event of their own and can only be asked about."""

    def publish_moment(self, *, moment_id: str = "", userid: str = "", text: str = "") -> dict:
        """Members confirm a corp moment now; without an id, one posts something of their own."""
        if moment_id:
            done = moments.publish_now(self.sandbox, self.db, moment_id, userid)
            return {"moment_id": moment_id, "published": done}
        creator = userid or self._member()["userid"]
        moment_id = self.sandbox.new_id("mom")
        self.db.execute(
            "insert into moments (moment_id, creator, create_type, create_time, ready_at, text,"
            " attachments, visible_type) values (?, ?, 1, ?, ?, ?, '[]', 1)",
            (moment_id, creator, self.now, self.now, text or self.dice.choice(names.THEMES)),
        )
        return {"moment_id": moment_id, "creator": creator}

    def send_mass(self, *, msgid: str, userid: str = "", share: float = 1.0) -> dict:
        """The named member, or all, send a corp message now; `share` leaves people out."""
        done = mass.send_now(self.sandbox, self.db, msgid, userid, min(1.0, float(share)))
        return {"msgid": msgid, "sent": done}

    def personal_mass(
        self,
        *,
        userid: str = "",
        external_userid: str = "",
        chat_id: str = "",
        text: str = "",
    ) -> dict:
        """A member sends to all their customers, to one, or to a group: it counts in the caps."""
        userid = userid or self._member()["userid"]
        chat_type = "group" if chat_id else "single"
        targets = [chat_id] if chat_id else self._customers_of(userid, external_userid)
        msgid = self.sandbox.new_id("msg")
        mass.write_message(
            self.db,
            msgid=msgid,
            creator=userid,
            create_type=mass.PERSONAL,
            create_time=self.now,
            ready_at=self.now,
            chat_type=chat_type,
            text=text or self.dice.choice(names.THEMES),
        )
        mass.assign(self.db, msgid, [(userid, target) for target in targets])
        mass.send_now(self.sandbox, self.db, msgid, userid, 1.0)
        return {"msgid": msgid, "userid": userid, "people": len(targets)}

    def member_leave(self, *, userid: str) -> dict:
        """Somebody leaves the company. The app is not told: it has to ask for the unassigned."""
        transfers.leave(self.sandbox, self.db, self._member_row(userid)["userid"])
        return {"left": userid, **self._directory("delete_user", UserID=userid)}

    def refuse_transfer(self, *, external_userid: str) -> dict:
        """A customer whose transfer waits says no; the event follows."""
        done = transfers.refuse(self.sandbox, self.db, external_userid)
        self._found(done or None, f"transfer of {external_userid}")
        return {"refused": external_userid}

    def _customers_of(self, userid: str, external_userid: str) -> list[str]:
        found = self.db.execute(
            "select external_userid from relations where userid = ? and lost_by = '' and not half"
            " and (? = '' or external_userid = ?) order by external_userid",
            (userid, external_userid, external_userid),
        ).fetchall()
        self._found(found or None, f"customer of {userid}")
        return [row["external_userid"] for row in found]
