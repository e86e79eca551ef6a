"""The client: every call to WeCom is a method here, in our words.

Their paths and field names stay inside ``crm.wecom``. Lists are walked to their end; a list of
which one page could not be read raises, so a short answer is never taken for a complete one.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from crm.shared.times import from_unix
from crm.wecom import methods
from crm.wecom.errors import NothingToSend
from crm.wecom.methods import Method
from crm.wecom.moment_records import (
    Link,
    MomentJob,
    MomentReactions,
    MomentSeen,
    MomentTaskSeen,
    Reaction,
)
from crm.wecom.records import (
    AppMessageSent,
    BehaviorDay,
    ContactSeen,
    ExternalSeen,
    GroupSeen,
    Media,
    Page,
    RelationSeen,
    TagGroupSeen,
    Wire,
)
from crm.wecom.tokens import App
from crm.wecom.transport import Transport

MEMBERS_PER_CALL = 100
CONTACTS_PER_PAGE = 100
DUPLICATE_CHECK_SECONDS = 1800


class Client:
    """One application of one corporation. Safe to share between threads of a process."""

    def __init__(self, transport: Transport, *, agent_id: int) -> None:
        self._transport = transport
        self._agent_id = agent_id

    # Directory

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

    def corp_tags(
        self, *, tag_ids: Sequence[str] = (), group_ids: Sequence[str] = ()
    ) -> list[TagGroupSeen]:
        """The catalogue of corp tags, or the part that is named; deleted ones left out."""
        wire = self.corp_tags_wire(tag_ids=tag_ids, group_ids=group_ids)
        return [TagGroupSeen.from_wire(group) for group in wire]

    def corp_tags_wire(
        self, *, tag_ids: Sequence[str] = (), group_ids: Sequence[str] = ()
    ) -> list[Wire]:
        """The same as it came, for a sync to keep until it is complete."""
        asked = {"tag_id": list(tag_ids), "group_id": list(group_ids)}
        body = {name: ids for name, ids in asked.items() if ids}
        groups = self._call(methods.CORP_TAGS, body=body)["tag_group"]
        return [group for group in groups if not group.get("deleted")]

    # Customers

    def contact(self, external_userid: str) -> ContactSeen:
        """A customer with all relations that WeCom still lists."""
        query = {"external_userid": external_userid}
        pages = list(self._pages(methods.CONTACT, query=query))
        relations = [RelationSeen.from_wire(row) for page in pages for row in page["follow_user"]]
        return ContactSeen(ExternalSeen.from_wire(pages[0]["external_contact"]), tuple(relations))

    def contacts_page(self, userids: Sequence[str], cursor: str = "") -> Page:
        """One page of (customer, relation) pairs of up to 100 agents."""
        body = {"userid_list": _some(userids), "limit": CONTACTS_PER_PAGE, "cursor": cursor}
        wire = self._call(methods.CONTACTS_OF, body=body)
        left_out = (wire.get("fail_info") or {}).get("unlicensed_userid_list") or ()
        return Page(wire["external_contact_list"], wire.get("next_cursor") or "", tuple(left_out))

    def contacts_of(self, userids: Sequence[str]) -> Iterator[ContactSeen]:
        """All pairs of these agents, page by page."""
        for batch in _batches(_some(userids), MEMBERS_PER_CALL):
            cursor = ""
            while True:
                page = self.contacts_page(batch, cursor)
                yield from (ContactSeen.from_pair(item) for item in page.items)
                cursor = page.next_cursor
                if not cursor:
                    break

    # Groups

    def groups(self, *, owners: Sequence[str] = ()) -> list[str]:
        """Ids of customer groups, of up to 100 owners or of the whole scope."""
        body: dict[str, Any] = {"status_filter": 0, "limit": 1000}
        if owners:
            body["owner_filter"] = {"userid_list": list(owners)}
        pages = self._pages(methods.GROUPS, body=body)
        return [row["chat_id"] for page in pages for row in page["group_chat_list"]]

    def group(self, chat_id: str) -> GroupSeen:
        """One group with its members and their names."""
        return GroupSeen.from_wire(self.group_wire(chat_id))

    def group_wire(self, chat_id: str) -> Wire:
        """The same as it came, for a sync to keep until it is complete."""
        return self._call(methods.GROUP, body={"chat_id": chat_id, "need_name": 1})["group_chat"]

    # Moments

    def create_moment(
        self,
        *,
        text: str,
        image_ids: Sequence[str] = (),
        link: Link | None = None,
        userids: Sequence[str] = (),
        department_ids: Sequence[int] = (),
        tag_ids: Sequence[str] = (),
    ) -> str:
        """Ask agents to publish a moment; returns the id of the job that creates it.

        State-checkable: after OutcomeUnknown look it up with ``moments()``, never repeat blindly.
        Raises NothingToSend when neither senders nor tags narrow it: that would mean everybody.
        """
        if not (userids or department_ids or tag_ids):
            raise NothingToSend(_("没有指定发表员工或客户标签"))
        attachments = [{"msgtype": "image", "image": {"media_id": i}} for i in image_ids]
        if link:
            card = {"title": link.title, "url": link.url, "media_id": link.media_id}
            attachments = [{"msgtype": "link", "link": card}]
        body: dict[str, Any] = {"attachments": attachments, "visible_range": {}}
        if text:
            body["text"] = {"content": text}
        if userids or department_ids:
            body["visible_range"]["sender_list"] = {
                "user_list": list(userids),
                "department_list": list(department_ids),
            }
        if tag_ids:
            body["visible_range"]["external_contact_list"] = {"tag_list": list(tag_ids)}
        return self._call(methods.CREATE_MOMENT, body=body)["jobid"]

    def moment_job(self, jobid: str) -> MomentJob:
        """How far the creation is; content errors show up here, not at ``create_moment``."""
        return MomentJob.from_wire(self._call(methods.MOMENT_JOB, query={"jobid": jobid}))

    def moments(self, start: datetime, end: datetime, *, creator: str = "") -> list[MomentSeen]:
        """Moments created in a window of at most 30 days, corporate and personal."""
        body: dict[str, Any] = {"start_time": _unix(start), "end_time": _unix(end), "limit": 20}
        body["filter_type"] = 2
        if creator:
            body["creator"] = creator
        pages = self._pages(methods.MOMENTS, body=body)
        return [MomentSeen.from_wire(row) for page in pages for row in page["moment_list"]]

    def moment_tasks(self, moment_id: str) -> list[MomentTaskSeen]:
        """Which agents were asked, and who has published."""
        pages = self._pages(methods.MOMENT_TASKS, body={"moment_id": moment_id, "limit": 1000})
        return [
            MomentTaskSeen(row["userid"], row.get("publish_status") == 1)
            for page in pages
            for row in page["task_list"]
        ]

    def moment_customers(self, moment_id: str, userid: str) -> list[str]:
        """Customers whom the agent chose when publishing."""
        return self._moment_audience(methods.MOMENT_CUSTOMERS, moment_id, userid, 1000)

    def moment_visible_to(self, moment_id: str, userid: str) -> list[str]:
        """Customers who can really see it (the platform's cap takes some away)."""
        return self._moment_audience(methods.MOMENT_VISIBLE_TO, moment_id, userid, 5000)

    def _moment_audience(
        self, method: Method, moment_id: str, userid: str, limit: int
    ) -> list[str]:
        body = {"moment_id": moment_id, "userid": userid, "limit": limit}
        pages = self._pages(method, body=body)
        return [row["external_userid"] for page in pages for row in page["customer_list"]]

    def moment_comments(self, moment_id: str, userid: str) -> MomentReactions:
        """Likes and comments under one agent's post."""
        body = {"moment_id": moment_id, "userid": userid}
        wire = self._call(methods.MOMENT_COMMENTS, body=body)
        return MomentReactions(
            comments=tuple(Reaction.from_wire(row) for row in wire.get("comment_list") or []),
            likes=tuple(Reaction.from_wire(row) for row in wire.get("like_list") or []),
        )

    def cancel_moment(self, moment_id: str) -> None:
        """Stop the agents who have not published yet; what is published stays."""
        self._call(methods.CANCEL_MOMENT, body={"moment_id": moment_id})

    # Files, messages to agents, statistics

    def upload_attachment(self, content: bytes, *, name: str, kind: str = "image") -> Media:
        """Upload a picture or video for a moment; the id works for three days."""
        wire = self._call(
            methods.UPLOAD_ATTACHMENT,
            query={"media_type": kind, "attachment_type": 1},
            files={"media": (name, content)},
        )
        return Media(wire["media_id"], from_unix(int(wire["created_at"])))

    def send_app_message(self, userids: Sequence[str], text: str) -> AppMessageSent:
        """Write to agents in the name of the application; the same text once in half an hour."""
        body = {
            "touser": "|".join(_some(userids)),
            "msgtype": "text",
            "agentid": self._agent_id,
            "text": {"content": text},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": DUPLICATE_CHECK_SECONDS,
        }
        wire = self._call(methods.SEND_APP_MESSAGE, body=body)
        invalid = (wire.get("invaliduser") or "").split("|")
        return AppMessageSent(
            wire.get("msgid") or "", tuple(userid for userid in invalid if userid)
        )

    def behavior_data(self, userid: str, start: datetime, end: datetime) -> list[BehaviorDay]:
        """One agent's days (WeCom would add several agents into one sum)."""
        body = {"userid": [userid], "start_time": _unix(start), "end_time": _unix(end)}
        rows = self._call(methods.BEHAVIOR, body=body)["behavior_data"]
        return [BehaviorDay.from_wire(row) for row in rows]

    def _call(self, method: Method, **request: Any) -> Wire:
        return self._transport.call(method, **request)

    def _pages(
        self, method: Method, *, query: Wire | None = None, body: Wire | None = None
    ) -> Iterator[Wire]:
        cursor = ""
        while True:
            step = {"cursor": cursor} if cursor else {}
            if method.verb == "GET":
                page = self._call(method, query={**(query or {}), **step})
            else:
                page = self._call(method, body={**(body or {}), **step})
            yield page
            cursor = page.get("next_cursor") or ""
            if not cursor:
                return


def client() -> Client:
    """The client of the configured application."""
    app = App(settings.WECOM_BASE_URL, settings.WECOM_CORP_ID, settings.WECOM_SECRET)
    return _client(os.getpid(), app, settings.WECOM_AGENT_ID)


@lru_cache(maxsize=4)
def _client(_pid: int, app: App, agent_id: int) -> Client:
    # A worker's children must not share the connections of their parent, hence the process id.
    return Client(Transport(app), agent_id=agent_id)


def _some(userids: Sequence[str]) -> list[str]:
    if not userids:
        raise NothingToSend(_("接收人名单是空的"))
    return list(userids)


def _batches(values: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _unix(at: datetime) -> int:
    return int(at.timestamp())
