"""Moments (客户朋友圈): tasks that agents publish, and their audience."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, at_most, unix
from crm.wecom.errors import NothingToSend
from crm.wecom.limits import limits
from crm.wecom.methods import Method
from crm.wecom.moment_records import (
    Link,
    MomentJob,
    MomentReactions,
    MomentSeen,
    MomentTaskSeen,
    Reaction,
)
from crm.wecom.words import no_longer_than, within


class MomentCalls(Calls):
    def create_moment(
        self,
        *,
        text: str,
        image_ids: Sequence[str] = (),
        link: Link | None = None,
        video_id: str = "",
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
        _check_content(text, image_ids, link, userids)
        attachments = [{"msgtype": "image", "image": {"media_id": i}} for i in image_ids]
        if link:
            card = {"title": link.title, "url": link.url, "media_id": link.media_id}
            attachments = [{"msgtype": "link", "link": card}]
        elif video_id:
            attachments = [{"msgtype": "video", "video": {"media_id": video_id}}]
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
        body: dict[str, Any] = {"start_time": unix(start), "end_time": unix(end), "limit": 20}
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


def _check_content(
    text: str, image_ids: Sequence[str], link: Link | None, userids: Sequence[str]
) -> None:
    no_longer_than(text, limits().moment_text_ch, _("文字"))
    at_most(image_ids, limits().moment_images, _("图片"))
    at_most(userids, limits().moment_senders, _("员工"))
    if link:
        within(link.title, limits().moment_link_title_bytes, _("标题"))
