"""Customer groups and corp tags, as people handle them in the client and the console."""

from . import names
from .acts_base import CHAT, TAG, Actor
from .routes_tags import delete_tags


class GroupActs(Actor):
    """Acts that tell `change_external_chat`."""

    def group_create(self, *, owner: str = "", name: str | None = None) -> dict:
        owner = owner or self._member()["userid"]
        chat_id = self.sandbox.new_id("wr")
        place = self.dice.choice(names.DESTINATIONS)
        self.db.execute(
            "insert into chats (chat_id, name, owner, create_time, version) values (?,?,?,?,?)",
            (chat_id, f"{place}出行群" if name is None else name, owner, self.now, self._version()),
        )
        self._enter(chat_id, owner, kind=1, scene=1, invitor=owner)
        return self._tell(CHAT, ChatId=chat_id, ChangeType="create")

    def group_join(self, *, chat_id: str = "", external_userid: str = "") -> dict:
        chat = self._chat(chat_id)
        if not external_userid:
            row = self.db.execute(
                "select external_userid from listed where external_userid not in"
                " (select member from chat_members where chat_id = ?) order by random() limit 1",
                (chat["chat_id"],),
            ).fetchone()
            external_userid = self._found(row, "customer outside the group")["external_userid"]
        self._enter(chat["chat_id"], external_userid, kind=2, scene=3, state="grp-welcome")
        return self._members_changed(chat, "add_member", external_userid, JoinScene=3)

    def group_leave(self, *, chat_id: str = "", external_userid: str = "") -> dict:
        row = self.db.execute(
            "select c.chat_id, c.member from chat_members c join chats g using (chat_id)"
            " where g.dismissed_at is null and c.type = 2 and (? = '' or c.chat_id = ?)"
            " and (? = '' or c.member = ?) order by random() limit 1",
            (chat_id, chat_id, external_userid, external_userid),
        ).fetchone()
        row = self._found(row, "customer in a group")
        self.db.execute("delete from chat_members where chat_id = ? and member = ?", tuple(row))
        chat = self._chat(row["chat_id"])
        return self._members_changed(chat, "del_member", row["member"], QuitScene=0)

    def group_rename(self, *, chat_id: str = "", name: str = "") -> dict:
        chat = self._chat(chat_id)
        name = name or f"{chat['name'][:20]}·{self.dice.randint(2, 99)}"
        self.db.execute("update chats set name = ? where chat_id = ?", (name, chat["chat_id"]))
        return self._tell(
            CHAT, ChatId=chat["chat_id"], ChangeType="update", UpdateDetail="change_name"
        )

    def group_notice(self, *, chat_id: str = "", notice: str = "") -> dict:
        chat = self._chat(chat_id)
        self.db.execute(
            "update chats set notice = ? where chat_id = ?",
            (notice or "出发前一天发集合地点", chat["chat_id"]),
        )
        return self._tell(
            CHAT, ChatId=chat["chat_id"], ChangeType="update", UpdateDetail="change_notice"
        )

    def group_owner(self, *, chat_id: str = "", owner: str = "") -> dict:
        chat = self._chat(chat_id)
        owner = owner or self._member()["userid"]
        self._enter(chat["chat_id"], owner, kind=1, scene=1, invitor=chat["owner"])
        self.db.execute("update chats set owner = ? where chat_id = ?", (owner, chat["chat_id"]))
        return self._tell(
            CHAT, ChatId=chat["chat_id"], ChangeType="update", UpdateDetail="change_owner"
        )

    def group_dismiss(self, *, chat_id: str = "") -> dict:
        chat = self._chat(chat_id)
        self.db.execute(
            "update chats set dismissed_at = ? where chat_id = ?", (self.now, chat["chat_id"])
        )
        return self._tell(CHAT, ChatId=chat["chat_id"], ChangeType="dismiss")


class TagActs(Actor):
    """Acts that tell `change_external_tag`."""

    def tag_create(self, *, group_id: str = "", name: str = "") -> dict:
        group = self.db.execute(
            "select group_id from tag_groups where not deleted and group_id glob 'et*'"
            " and (? = '' or group_id = ?)"
            " order by random() limit 1",
            (group_id, group_id),
        ).fetchone()
        group_id = self._found(group, "tag group")["group_id"]
        tag_id = self.sandbox.new_id("et")
        name = name or f"{self.dice.choice(names.THEMES)}{self.dice.randint(2, 999)}"
        self.db.execute(
            "insert into tags (tag_id, group_id, name, create_time, ord) values (?, ?, ?, ?, 0)",
            (tag_id, group_id, name, self.now),
        )
        return self._tell(TAG, Id=tag_id, TagType="tag", ChangeType="create")

    def tag_update(self, *, tag_id: str = "", name: str = "") -> dict:
        tag = self._tag(tag_id)
        name = name or f"{tag['name'][:20]}{self.dice.randint(2, 99)}"
        self.db.execute("update tags set name = ? where tag_id = ?", (name, tag["tag_id"]))
        return self._tell(TAG, Id=tag["tag_id"], TagType="tag", ChangeType="update")

    def tag_delete(self, *, tag_id: str = "") -> dict:
        tag = self._tag(tag_id)
        delete_tags(self.db, [tag["tag_id"]])
        return self._tell(TAG, Id=tag["tag_id"], TagType="tag", ChangeType="delete")

    def tag_shuffle(self, *, group_id: str = "") -> dict:
        """Somebody sorts the tags of a group in the console."""
        tag = self.db.execute(
            "select group_id from tags where not deleted and tag_id glob 'et*'"
            " and (? = '' or group_id = ?) order by random() limit 1",
            (group_id, group_id),
        ).fetchone()
        group_id = self._found(tag, "tag group")["group_id"]
        self.db.execute("update tags set ord = abs(random()) % 100 where group_id = ?", (group_id,))
        return self._tell(TAG, Id=group_id, ChangeType="shuffle")
