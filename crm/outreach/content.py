"""What a mass send says: WeCom's limits, the hash of an approval, the digest of a record."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from crm.content.linting import refuse_sensitive
from crm.content.models import MaterialPicture
from crm.content.variables import has_variables
from crm.gate.models import ContentKind
from crm.outreach.models import MassSend
from crm.shared.errors import DomainError
from crm.shared.text import clean_text
from crm.wecom import NothingToSend, Refused
from crm.wecom.attachments import Attachment, content_to_wire

TITLE_CHARS = 64
MOST_CONTROL = 50  # Percent.
_USUAL = ContentKind.PROMOTION


class SendRejected(DomainError):
    """A mass send cannot stand as it was written."""

    code = "send_rejected"


@dataclass(frozen=True)
class SendContent:
    """Everything that a person fills in. ``send_at`` is an instant."""

    title: str
    send_at: datetime
    target: str = MassSend.Target.CUSTOMERS
    audience_id: int | None = None
    group_ids: tuple[int, ...] = ()
    text: str = ""
    link_title: str = ""
    link_url: str = ""
    link_description: str = ""
    link_picture: str = ""
    may_choose: bool = False
    control_percent: int = 0
    content_kind: str = ContentKind.PROMOTION
    material_id: int | None = None
    # What a material shows beside its words; taken over when the content is kept.
    picture: MaterialPicture | None = None
    program_title: str = ""
    app_id: str = ""
    app_page: str = ""


def refuse_unfit(content: SendContent) -> None:
    """Raise SendRejected for what WeCom would not take, naming the field."""
    if not clean_text(content.title):
        raise SendRejected(_("请填写名称，便于在列表中辨认"), field="title")
    if len(content.title) > TITLE_CHARS:
        raise SendRejected(_("名称最多 %(n)s 字") % {"n": TITLE_CHARS}, field="title")
    if has_variables(content.text):
        raise SendRejected(_("群发对所有人是同一段文字，不能用变量，请去掉 {{…}}"), field="text")
    if content.link_url and not content.link_url.startswith(("https://", "http://")):
        raise SendRejected(_("链接须以 https:// 或 http:// 开头"), field="link_url")
    if content.link_url and not content.link_title:
        raise SendRejected(_("请填写链接标题"), field="link_title")
    if not content.link_url and (content.link_title or content.link_description):
        raise SendRejected(_("请填写链接地址，或清空链接的标题和描述"), field="link_url")
    if content.control_percent and content.target == MassSend.Target.GROUPS:
        raise SendRejected(_("发到客户群时不能留对照组，请填 0"), field="control_percent")
    if not 0 <= content.control_percent <= MOST_CONTROL:
        words = _("对照组最多 %(n)s%%")
        raise SendRejected(words % {"n": MOST_CONTROL}, field="control_percent")
    refuse_sensitive(words_of(content), SendRejected)
    _refuse(content.text, [], field="text", may_be_empty=bool(_attachments(content)))
    _refuse(content.text, _attachments(content), field="link_url")


def _refuse(
    text: str, attachments: list[Attachment], *, field: str, may_be_empty: bool = False
) -> None:
    try:
        content_to_wire(text, attachments)
    except NothingToSend as nothing:
        if not may_be_empty:
            raise SendRejected(_("请填写文字，或添加链接"), field="text") from nothing
    except Refused as refused:
        raise SendRejected(str(refused), field=field) from refused


def words_of(source: "MassSend | SendContent") -> dict[str, str]:
    """Everything that customers read, by the name of its field."""
    read = ("text", "link_title", "link_description", "program_title")
    return {name: getattr(source, name) for name in read}


def attachments_of(send: MassSend) -> list[Attachment]:
    """The attachments of a send, as the client takes them."""
    return _attachments(send)


def _attachments(source: "MassSend | SendContent") -> list[Attachment]:
    """A mini-program and a link; the picture is the cover of one of them, or stands alone."""
    picture, found = source.picture, []
    media_id = picture.media_id if picture else ""
    if source.app_id:
        title, page = source.program_title, source.app_page
        card = Attachment.miniprogram(title, app_id=source.app_id, page=page, media_id=media_id)
        found.append(card)
    if source.link_url:
        cover = picture.address if picture and not source.app_id else ""
        link = Attachment.link(
            source.link_title,
            source.link_url,
            description=source.link_description,
            picture_url=source.link_picture or cover,
        )
        found.append(link)
    if picture and not found:
        found.append(Attachment.image(media_id))
    return found


def content_hash(send: MassSend) -> str:
    """SHA-256 of what is sent and to whom, read from the rows as they are now."""
    return _digest(
        {
            "target": send.target,
            "audience": send.audience_id,
            "groups": sorted(send.groups.values_list("chat_id", flat=True)),
            "text": send.text,
            "link": [send.link_title, send.link_url, send.link_description, send.link_picture],
            "may_choose": send.may_choose,
            **_card(send),
            **({"control": send.control_percent} if send.control_percent else {}),
            # Sends that were approved before there were kinds keep their hash.
            **({"kind": send.content_kind} if send.content_kind != _USUAL else {}),
        }
    )


def _card(send: MassSend) -> dict[str, list[str]]:
    """Nothing where there is none, so that sends from before keep their hash."""
    if send.picture is None and not send.app_id:
        return {}
    shown = send.picture.sha256 if send.picture else ""
    return {"card": [shown, send.program_title, send.app_id, send.app_page]}


def digest_of(send: MassSend) -> str:
    """The record digest of one of our sends."""
    return record_digest(send.is_to_groups, send.text, attachments_of(send))


def record_digest(is_to_groups: bool, text: str, attachments: Sequence[Attachment]) -> str:
    """SHA-256 of what WeCom's list tells of a mass send: enough to know ours again."""
    carried = [[a.kind, a.title, a.description, a.url, a.app_id, a.page] for a in attachments]
    return _digest([is_to_groups, "\n".join(clean_text(text).splitlines()), carried])


def _digest(parts: object) -> str:
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
