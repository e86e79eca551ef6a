"""What all acts share: somebody to act with, and a way to tell the receiver."""

import secrets
import sqlite3
from typing import TYPE_CHECKING, TypeVar

from . import names
from .clock import DAY, day_start
from .dice import Dice
from .past import COUNTERS

if TYPE_CHECKING:
    from .core import Sandbox

Found = TypeVar("Found")
CONTACT, CHAT, TAG = "change_external_contact", "change_external_chat", "change_external_tag"
DIRECTORY = "change_contact"


class CannotAct(Exception):
    """Nobody is there to do this."""


class Actor:
    """Finds people and groups by id, or some that fit; `now` is the virtual clock."""

    def __init__(self, sandbox: "Sandbox", db: sqlite3.Connection, dice: Dice):
        self.sandbox, self.db, self.dice = sandbox, db, dice
        self.now = int(sandbox.clock.now())

    def _tell(self, event: str, **fields) -> dict:
        callback = self.sandbox.postman.tell(self.db, event, **fields)
        return {"callback": callback, "Event": event, **fields}

    def _contact(self, kind: str, userid: str, external_userid: str, **more: str) -> dict:
        return self._tell(
            CONTACT, ChangeType=kind, UserID=userid, ExternalUserID=external_userid, **more
        )

    def _directory(self, kind: str, **fields: str | int) -> dict:
        """Told to receivers who are the contacts-sync assistant, too; an ordinary app is not."""
        if not self.sandbox.store.get("contacts_sync", 0):
            return {"ChangeType": kind, **fields}
        return self._tell(DIRECTORY, ChangeType=kind, **fields)

    def _members_changed(self, chat: sqlite3.Row, detail: str, who: str, **scene: int) -> dict:
        version = self._version()
        self.db.execute(
            "update chats set version = ? where chat_id = ?", (version, chat["chat_id"])
        )
        return self._tell(
            CHAT,
            ChatId=chat["chat_id"],
            ChangeType="update",
            UpdateDetail=detail,
            **scene,
            MemChangeCnt=1,
            MemChangeList=[who],
            LastMemVer=chat["version"],
            CurMemVer=version,
        )

    def _lose(self, pair: sqlite3.Row, by: str) -> None:
        self.db.execute(
            "update relations set lost_by = ?, lost_at = ?, half = 0"
            " where userid = ? and external_userid = ?",
            (by, self.now, pair["userid"], pair["external_userid"]),
        )
        if by == "agent":  # What this member had noted goes with the relation.
            self.db.execute(
                "delete from relation_tags where userid = ? and external_userid = ?",
                (pair["userid"], pair["external_userid"]),
            )

    def _welcome(self, userid: str, external_userid: str) -> str:
        code = f"WC{secrets.token_urlsafe(24)}"
        self.db.execute(
            "insert into welcome_codes (code, userid, external_userid, issued_at)"
            " values (?, ?, ?, ?)",
            (code, userid, external_userid, self.sandbox.clock.now()),
        )
        return code

    def _newcomer(self, name: str) -> str:
        """Somebody new to WeCom, three times in ten a member of the travel company already."""
        external_userid = self.sandbox.new_id("wm")
        prospect = self.db.execute("select * from prospects order by random() limit 1").fetchone()
        known = prospect is not None and self.dice.happens(0.3)
        if known:
            self.db.execute("delete from prospects where member_no = ?", (prospect["member_no"],))
        self.db.execute(
            "insert into contacts (external_userid, name, type, gender, unionid, member_no)"
            " values (?, ?, 1, ?, ?, ?)",
            (
                external_userid,
                name or names.nickname(self.dice),
                self.dice.choice((0, 1, 2)),
                prospect["unionid"] if known else self.sandbox.new_id("o"),
                prospect["member_no"] if known else "",
            ),
        )
        return external_userid

    def _enter(
        self,
        chat_id: str,
        who: str,
        *,
        kind: int,
        scene: int,
        state: str = "",
        invitor: str = "",
    ) -> None:
        self.db.execute(
            "insert or ignore into chat_members values (?, ?, ?, ?, ?, ?, ?, '')",
            (chat_id, who, kind, self.now, scene, state, invitor),
        )

    def _member(self) -> sqlite3.Row:
        row = self.db.execute(
            "select * from members where visible and follows and status = 1"
            " order by random() limit 1"
        ).fetchone()
        return self._found(row, "member")

    def _member_row(self, userid: str) -> sqlite3.Row:
        row = self.db.execute("select * from members where userid = ?", (userid,)).fetchone()
        return self._found(row, f"member {userid}")

    def _pair(
        self, userid: str, external_userid: str, *, half: bool = False, add_way: int | None = None
    ) -> sqlite3.Row:
        """The named relation, or some living one; acquisition relations where it matters."""
        named = bool(userid and external_userid)
        recent = self.now - self.dice.choice((0, 3, 6, 9)) * DAY
        row = self.db.execute(
            "select * from relations where lost_by = '' and half = ? and (? = '' or userid = ?)"
            " and userid not in (select userid from leavers)"
            " and (? = '' or external_userid = ?) and (? or add_way = ?)"
            " order by createtime > ? desc, random() limit 1",
            (
                *(half, userid, userid, external_userid, external_userid),
                *(
                    named or add_way is None,
                    add_way,
                    recent,
                ),
            ),
        ).fetchone()
        return self._found(row, "relation")

    def _chat(self, chat_id: str) -> sqlite3.Row:
        row = self.db.execute(
            "select * from chats where dismissed_at is null and (? = '' or chat_id = ?)"
            " order by random() limit 1",
            (chat_id, chat_id),
        ).fetchone()
        return self._found(row, "group")

    def _tag(self, tag_id: str) -> sqlite3.Row:
        row = self.db.execute(
            "select * from tags where not deleted and tag_id glob 'et*' and (? = '' or tag_id = ?)"
            " order by random() limit 1",
            (tag_id, tag_id),
        ).fetchone()
        return self._found(row, "tag")

    def _version(self) -> str:
        return self.dice.hexadecimal()

    def _count(self, userid: str, **more: int) -> None:
        """Today's statistics, which the platform shows tomorrow."""
        self.db.execute(
            "insert into behavior (userid, day, new_contact, chat, message, opened, answered,"
            " answer_seconds, negative) values (:userid, :day, :new_contact, :chat, :message,"
            " :opened, :answered, :answer_seconds, :negative) on conflict do update set"
            " new_contact = new_contact + :new_contact, chat = chat + :chat,"
            " message = message + :message, opened = opened + :opened,"
            " answered = answered + :answered, answer_seconds = answer_seconds + :answer_seconds,"
            " negative = negative + :negative",
            dict.fromkeys(COUNTERS, 0) | {"userid": userid, "day": day_start(self.now)} | more,
        )

    @staticmethod
    def _found(found: Found | None, what: str) -> Found:
        if found is None:
            raise CannotAct(f"no {what} to act with")
        return found

    @staticmethod
    def _cannot(reason: str) -> CannotAct:
        return CannotAct(reason)
