"""What people say to each other, as far as the archive may keep it."""

from . import archive, archive_bodies, shelf
from .acts_base import CONTACT
from .acts_links import LinkActs

ROOM = "internal_room"
MEMBER, CUSTOMER = "member", "customer"


class ArchiveActs(LinkActs):
    """Acts that leave messages in the archive and ring its bell."""

    def agree(self, *, userid: str = "", external_userid: str = "", chat_id: str = "") -> dict:
        """A customer agrees to the archive, for a member or for a group."""
        said = self._decide(userid, external_userid, chat_id, archive.AGREE)
        if chat_id:
            return said
        key = (said["agree"]["userid"], said["from"])
        return self._tell(
            CONTACT,
            ChangeType="msg_audit_approved",
            UserID=key[0],
            ExternalUserID=key[1],
            WelcomeCode=self._welcome(*key),
        )

    def disagree(self, *, userid: str = "", external_userid: str = "", chat_id: str = "") -> dict:
        """A customer refuses, now or from now on."""
        return self._decide(userid, external_userid, chat_id, archive.DISAGREE)

    def message(
        self,
        *,
        userid: str = "",
        external_userid: str = "",
        chat_id: str = "",
        sender: str = CUSTOMER,
        msgtype: str = "text",
        content: str = "",
        pre_msgid: str = "",
    ) -> dict:
        """Somebody says something, in a single chat or a group; kept after consent only."""
        if sender not in (MEMBER, CUSTOMER) or msgtype not in archive_bodies.KINDS:
            raise self._cannot("sender is member or customer, msgtype one of the archive's kinds")
        common = self._said_by(userid, external_userid, chat_id, sender)
        if common is None:
            return {"archived": False}
        body = self._body(msgtype)
        if msgtype == "text" and content:
            body["text"]["content"] = content
        if msgtype == "revoke":
            body["revoke"]["pre_msgid"] = pre_msgid
            common["action"] = "recall"
        return archive.append(self.sandbox, self.db, common | {"msgtype": msgtype} | body)

    def archive_all(self, *, userid: str = "", external_userid: str = "") -> dict:
        """One message of every kind, a recall and a switch; the customer has agreed."""
        pair = self._pair(userid, external_userid)
        common = self._consenting(pair)
        seqs, last = [], {"msgid": ""}
        for kind in archive_bodies.KINDS:
            body = self._body(kind, large=kind == "video")
            if kind == "revoke":
                body["revoke"]["pre_msgid"] = last["msgid"]
            action = {"action": "recall"} if kind == "revoke" else {}
            last = archive.append(self.sandbox, self.db, common | action | {"msgtype": kind} | body)
            seqs.append(last["seq"])
        seqs.append(self.switch(userid=pair["userid"])["seq"])
        return {"seqs": seqs, "userid": pair["userid"], "external_userid": pair["external_userid"]}

    def archive_fill(self, *, messages: int = 1000) -> dict:
        """Much talk at once, mostly text, for receivers that must not lose or double any."""
        common = self._consenting(self._pair("", ""))
        for number in range(messages):
            kind = "text" if number % 10 else self.dice.choice(archive_bodies.KINDS[3:])
            said = archive.append(
                self.sandbox, self.db, common | {"msgtype": kind} | self._body(kind)
            )
        return {"messages": messages, "last_seq": said["seq"] if messages else 0}

    def switch(self, *, userid: str = "") -> dict:
        """A member changes to another corp in the client: a log line without sender."""
        userid = userid or self._member()["userid"]
        line = {"action": "switch", "time": int(self.sandbox.clock.now() * 1000), "user": userid}
        return archive.append(self.sandbox, self.db, line)

    def room_create(self, *, name: str = "", userid: str = "") -> dict:
        """A group of colleagues only, which the archive's own call can ask about."""
        owner = userid or self._member()["userid"]
        room = self.sandbox.new_id("wr")
        body = {"roomname": name or "内部群", "creator": owner, "notice": "", "members": [owner]}
        shelf.keep(self.db, ROOM, room, self.now, body)
        return {"roomid": room}

    def chat(self, *, userid: str = "", external_userid: str = "", answered: bool = True) -> dict:
        """As before; both sides are archived where the customer has agreed.

        ``answered`` false leaves the answer to a later message; `archived` says whether any of it
        was kept.
        """
        pair = self._pair(userid, external_userid, add_way=self.CHATTY)
        key = {"userid": pair["userid"], "external_userid": pair["external_userid"]}
        told = super().chat(**key)
        told |= key  # In the operator's words: the event itself may name nobody.
        if not archive.may_keep(self.db, *key.values()):
            return told | {"archived": False}
        self.message(**key)
        if answered:
            self.message(**key, sender=MEMBER)
        return told | {"archived": True}

    def _body(self, kind: str, *, large: bool = False) -> dict:
        def media(size: int) -> dict:
            return archive.new_file(self.sandbox, self.db, size)

        at = self.sandbox.clock.now()
        return archive_bodies.make(kind, self.dice, media, at, large=large)

    def _common(self, sender: str, receivers: list[str], room: str = "") -> dict:
        return {
            "action": "send",
            "from": sender,
            "tolist": receivers,
            "roomid": room,
            "msgtime": int(self.sandbox.clock.now() * 1000),
        }

    def _consenting(self, pair) -> dict:
        key = (pair["userid"], pair["external_userid"])
        archive.decide(self.db, self.now, *key, "", archive.AGREE)
        return self._common(key[1], [key[0]])

    def _said_by(self, userid: str, external_userid: str, chat_id: str, sender: str) -> dict | None:
        """The common fields, or None where the archive may not listen."""
        if chat_id:
            return self._said_in_group(userid, external_userid, chat_id, sender)
        pair = self._pair(userid, external_userid)
        key = (pair["userid"], pair["external_userid"])
        if not archive.may_keep(self.db, *key):
            return None
        who, whom = key if sender == MEMBER else key[::-1]
        return self._common(who, [whom])

    def _said_in_group(
        self, userid: str, external_userid: str, chat_id: str, sender: str
    ) -> dict | None:
        chat = self._chat(chat_id)
        inside = self.db.execute(
            "select member, type from chat_members where chat_id = ? order by member", (chat_id,)
        ).fetchall()
        kind = 1 if sender == MEMBER else 2
        wanted = userid if sender == MEMBER else external_userid
        fitting = [r["member"] for r in inside if r["type"] == kind]
        who = wanted or (self.dice.choice(fitting) if fitting else None)
        self._found(who if who in fitting else None, f"{sender} in {chat['chat_id']}")
        if sender == CUSTOMER and not archive.may_keep(self.db, "", who, chat_id):
            return None
        others = [row["member"] for row in inside if row["member"] != who]
        return self._common(who, others, chat_id)

    def _decide(self, userid: str, external_userid: str, chat_id: str, status: str) -> dict:
        if chat_id:
            owner = self._chat(chat_id)["owner"]
            key = (owner, self._found(external_userid or None, "external_userid"))
        else:
            pair = self._pair(userid, external_userid)
            key = (pair["userid"], pair["external_userid"])
        archive.decide(self.db, self.now, *key, chat_id, status)
        kind = status.lower()
        body = self._body(kind)
        body[kind]["userid"] = key[0] if not chat_id else key[1]
        said = self._common(key[1], [key[0]], chat_id) | {"msgtype": kind} | body
        return archive.append(self.sandbox, self.db, said)
