"""What a moment says and to whom: WeCom's limits, and the hash that an approval is bound to."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from crm.content.linting import refuse_sensitive
from crm.content.models import MaterialPicture
from crm.content.variables import has_variables
from crm.moments.models import Moment
from crm.shared.errors import DomainError
from crm.shared.text import clean_text
from crm.trials.models import MOST_CONTROL

TEXT_CHARS = 2000
TEXT_BYTES = 4000
LINK_TITLE_BYTES = 64
MAX_IMAGES = 9
TITLE_CHARS = 64


class MomentRejected(DomainError):
    """A moment cannot stand as it was written."""

    code = "moment_rejected"


@dataclass(frozen=True)
class MomentContent:
    """Everything that a person fills in. ``publish_wall`` is a wall time, without zone."""

    title: str
    publish_wall: datetime
    zone: str
    text: str = ""
    link_title: str = ""
    link_url: str = ""
    everyone: bool = False
    sender_ids: tuple[int, ...] = ()
    department_ids: tuple[int, ...] = ()
    tag_ids: tuple[int, ...] = ()
    image_ids: tuple[uuid.UUID, ...] = ()
    cover_id: uuid.UUID | None = None
    material_id: int | None = None
    # The picture of the material, to be shown as well, or as the cover of a link.
    picture: MaterialPicture | None = None
    control_percent: int = 0


def refuse_unfit(content: MomentContent) -> None:
    """Raise MomentRejected for what WeCom would not take, naming the field."""
    if not clean_text(content.title):
        raise MomentRejected(_("请填写名称，便于在日历中辨认"), field="title")
    if len(content.title) > TITLE_CHARS:
        raise MomentRejected(_("名称最多 %(n)s 字") % {"n": TITLE_CHARS}, field="title")
    if has_variables(content.text):
        raise MomentRejected(
            _("朋友圈对所有人是同一段文字，不能用变量，请去掉 {{…}}"), field="text"
        )
    if not 0 <= content.control_percent <= MOST_CONTROL:
        words = _("对照组比例请填 0 到 %(n)s") % {"n": MOST_CONTROL}
        raise MomentRejected(words, field="control_percent")
    _refuse_long_text(content.text)
    refuse_sensitive(words_of(content), MomentRejected)
    shown = len(content.image_ids) + bool(content.picture and not content.link_url)
    if shown > MAX_IMAGES:
        raise MomentRejected(_("最多 %(n)s 张图片") % {"n": MAX_IMAGES}, field="images")
    if content.image_ids and content.link_url:
        raise MomentRejected(_("图片和链接只能选一种"), field="link_url")
    if content.link_url:
        _refuse_unfit_link(content)
    elif content.link_title or content.cover_id:
        raise MomentRejected(_("请填写链接地址，或清空链接标题和封面"), field="link_url")


def words_of(source: "Moment | MomentContent") -> dict[str, str]:
    """Everything that customers read, by the name of its field."""
    return {"text": source.text, "link_title": source.link_title}


def refuse_incomplete(content: MomentContent) -> None:
    """Raise MomentRejected for what is missing before anybody is asked to approve."""
    if not (clean_text(content.text) or content.image_ids or content.link_url):
        raise MomentRejected(_("请填写正文，或添加图片或链接"), field="text")
    if not (content.everyone or content.sender_ids or content.department_ids or content.tag_ids):
        raise MomentRejected(_("请选择发表员工、部门或客户标签"), field="senders")


def _refuse_long_text(text: str) -> None:
    if len(text) > TEXT_CHARS:
        raise MomentRejected(
            _("正文有 %(n)s 字，最多 %(most)s 字") % {"n": len(text), "most": TEXT_CHARS},
            field="text",
        )
    size = len(text.encode())
    if size > TEXT_BYTES:
        raise MomentRejected(
            _("正文有 %(n)s 字节，最多 %(most)s 字节（一个汉字占 3 字节）")
            % {"n": size, "most": TEXT_BYTES},
            field="text",
        )


def _refuse_unfit_link(content: MomentContent) -> None:
    if not content.link_url.startswith(("https://", "http://")):
        raise MomentRejected(_("链接须以 https:// 或 http:// 开头"), field="link_url")
    if not content.link_title:
        raise MomentRejected(_("请填写链接标题"), field="link_title")
    if len(content.link_title.encode()) > LINK_TITLE_BYTES:
        raise MomentRejected(
            _("链接标题最多 %(n)s 字节（约 21 个汉字）") % {"n": LINK_TITLE_BYTES},
            field="link_title",
        )
    if content.cover_id is None and content.picture is None:
        raise MomentRejected(_("请为链接选一张封面图"), field="cover")


def content_hash(moment: Moment) -> str:
    """SHA-256 of what is sent and to whom, read from the rows as they are now."""
    pictures = list(moment.images.values_list("is_cover", "sha256"))
    parts = {
        "text": moment.text,
        "link": [moment.link_title, moment.link_url],
        "pictures": [list(picture) for picture in pictures],
        "everyone": moment.everyone,
        "senders": sorted(moment.senders.values_list("userid", flat=True)),
        "departments": sorted(moment.sender_departments.values_list("wecom_id", flat=True)),
        "tags": sorted(moment.tags.values_list("wecom_id", flat=True)),
        # Only where there is one: what was approved before there were controls stays approved.
        **({"control": moment.control_percent} if moment.control_percent else {}),
    }
    return _digest(parts)


def record_digest(
    *, text: str, image_count: int, link_title: str, link_url: str, is_public: bool
) -> str:
    """SHA-256 of what WeCom's list of moments tells of a post: enough to know ours again."""
    words = "\n".join(clean_text(text).splitlines())
    return _digest([words, image_count, link_title, link_url, is_public])


def digest_of(moment: Moment) -> str:
    """The record digest of one of our moments."""
    return record_digest(
        text=moment.text,
        image_count=moment.images.filter(is_cover=False).count(),
        link_title=moment.link_title,
        link_url=moment.link_url,
        is_public=not moment.tags.exists(),
    )


def _digest(parts: object) -> str:
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
