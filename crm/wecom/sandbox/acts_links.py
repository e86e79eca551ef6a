"""People come through acquisition links, and what the console tells of these."""

import json
from urllib.parse import quote

from . import links, shelf
from .acts_channels import ChannelActs
from .channels import LINK as ADD_WAY
from .clock import DAY
from .routes_links import CHOSEN, LINK

STATE_BYTES = 64
TOLD_MESSAGES = (3, 5, 10)


class LinkActs(ChannelActs):
    """Acts that tell `customer_acquisition`."""

    CHATTY = ADD_WAY  # Whose chats the platform tells of.

    def click_link(
        self,
        *,
        link_id: str = "",
        state: str = "",
        external_userid: str = "",
        name: str = "",
        add: bool = True,
        accept: bool = True,
        profile: bool = False,
    ) -> dict:
        """A person opens the link with `?customer_channel=STATE`, and adds its member or not.

        `profile`: this corp is of an industry that is told of the opened card.
        """
        link = self._shelved(LINK, link_id)
        if len(state.encode()) > STATE_BYTES:
            raise self._cannot(f"customer_channel {quote(state)} is longer than {STATE_BYTES} B")
        external_userid = external_userid or self._newcomer(name)
        self.db.execute(
            "insert into link_clicks values (?, ?, ?)", (link.id, external_userid, self.now)
        )
        if profile:
            self._tell(links.EVENT, ChangeType="open_profile", LinkId=link.id, State=state)
        if not add:
            return {"clicked": link.id, "ExternalUserID": external_userid}
        userid = self._behind(link, external_userid)
        if not link.body["skip_verify"]:
            told = self._tell(links.EVENT, ChangeType="friend_request", LinkId=link.id, State=state)
            if not accept:
                return told
        if not links.spend(self.sandbox, self.db):
            raise self._cannot("the quota of acquisition links is used up")
        self.db.execute(
            "insert into link_customers (link_id, userid, external_userid, state, at)"
            " values (?, ?, ?, ?, ?) on conflict do update set link_id = excluded.link_id,"
            " state = excluded.state, at = excluded.at",
            (link.id, userid, external_userid, state, self.now),
        )
        return self.add(
            userid=userid, external_userid=external_userid, state=state, add_way=ADD_WAY
        )

    def chat(self, *, userid: str = "", external_userid: str = "") -> dict:
        """A customer writes, and is answered in the member's own time.

        There are events for those who came through a link: of the first message, and of the
        third, fifth and tenth. Relations older than this world's links tell each day's first.
        """
        pair = self._pair(userid, external_userid, add_way=self.CHATTY)
        key = (pair["userid"], pair["external_userid"])
        self._wrote(pair)
        came = links.customer(self.db, *key)
        if came is None:
            link = {"LinkId": f"ca{pair['state']}", "State": pair["state"]}
            return self._start_chat(*key, **link)
        count = came["messages"] + 1
        self.db.execute(
            "update link_customers set messages = ? where userid = ? and external_userid = ?",
            (count, *key),
        )
        link = {"LinkId": came["link_id"], "State": came["state"]}
        if count == 1:
            return self._start_chat(*key, **link)
        if count in TOLD_MESSAGES:
            return self._tell(
                links.EVENT,
                ChangeType="message_from_customer",
                **link,
                ChatKey=self._chat_key(came, count),
            )
        return {"UserID": key[0], "ExternalUserID": key[1], "messages": count}

    def delete_by_customer(
        self, *, userid: str = "", external_userid: str = "", by_link: bool = False
    ) -> dict:
        """As before; `by_link` tells it a second time as an event of acquisition."""
        told = super().delete_by_customer(userid=userid, external_userid=external_userid)
        if by_link:
            pair = {name: told[name] for name in ("UserID", "ExternalUserID")}
            self._tell(links.EVENT, ChangeType="del_follow_user", **pair)
        return told

    def link_delete(self, *, link_id: str = "") -> dict:
        """Somebody deletes a link in the console."""
        link = self._shelved(LINK, link_id)
        self.db.execute("delete from shelf where kind = ? and id = ?", (LINK, link.id))
        return self._tell(links.EVENT, ChangeType="delete_link", LinkId=link.id)

    def link_fail(self, *, link_id: str = "") -> dict:
        """A link stops working for reasons of the platform's own."""
        link = self._shelved(LINK, link_id)
        return self._tell(links.EVENT, ChangeType="link_unavailable", LinkId=link.id)

    def quota_buy(self, *, quota: int = 100, days: int = 365) -> dict:
        """The company buys more customers."""
        links.add_quota(self.sandbox, self.db, quota, self.now + days * DAY)
        return {"quota": quota, "expires_at": self.now + days * DAY}

    def quota_use(self, *, quota: int = 1) -> dict:
        """Customers who came elsewhere use quota up; the balance may end at nothing."""
        used = 0
        while used < quota and links.spend(self.sandbox, self.db):
            used += 1
        return {"used": used}

    def _start_chat(self, userid: str, external_userid: str, **link: str) -> dict:
        return self._tell(
            links.EVENT,
            ChangeType="customer_start_chat",
            UserID=userid,
            ExternalUserID=external_userid,
            **link,
        )

    def _chat_key(self, came, count: int) -> str:
        """Since 2024-12 the event names nobody: the key is good for half an hour."""
        chat_key = self.sandbox.new_id("ck")
        self.db.execute(
            "insert into chat_keys values (?, ?, ?, ?, ?, ?, ?)",
            (
                *(chat_key, came["link_id"], came["state"], came["userid"]),
                *(came["external_userid"], count, self.sandbox.clock.now()),
            ),
        )
        return chat_key

    def _behind(self, link: shelf.Thing, external_userid: str) -> str:
        """Those related already come first where the link says so."""
        people = self._active(
            link.body["range"]["user_list"], link.body["range"]["department_list"]
        )
        option = link.body["priority_option"]
        if option:
            known = self.db.execute(
                "select userid from relations where external_userid = ? and lost_by = ''"
                " and (? or userid in (select value from json_each(?))) order by userid",
                (
                    external_userid,
                    option["priority_type"] != CHOSEN,
                    json.dumps(option["priority_userid_list"]),
                ),
            ).fetchone()
            if known:
                return known["userid"]
        if not people:
            raise self._cannot("nobody is left behind this link")
        return self.dice.choice(people)
