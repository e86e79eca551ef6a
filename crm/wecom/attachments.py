"""What a message carries beside its text, and how long its words may be."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.shared.text import clean_text
from crm.wecom.errors import NothingToSend, OverLimit
from crm.wecom.limits import limits
from crm.wecom.records import Wire
from crm.wecom.words import within


class Kind(TextChoices):
    """WeCom's own word for it."""

    IMAGE = "image", gettext_lazy("图片")
    LINK = "link", gettext_lazy("链接")
    MINIPROGRAM = "miniprogram", gettext_lazy("小程序")
    VIDEO = "video", gettext_lazy("视频")
    FILE = "file", gettext_lazy("文件")


@dataclass(frozen=True)
class Attachment:
    """One attachment of a welcome or a mass send. ``media_id`` is a mini-program's cover, too."""

    kind: str
    media_id: str = ""
    picture_url: str = ""
    title: str = ""
    description: str = ""
    url: str = ""
    app_id: str = ""
    page: str = ""

    @classmethod
    def image(cls, media_id: str = "", *, picture_url: str = "") -> "Attachment":
        """A picture by the id of an upload, or by the lasting address of ``upload_picture``."""
        return cls(Kind.IMAGE, media_id=media_id, picture_url=picture_url)

    @classmethod
    def link(
        cls, title: str, url: str, *, description: str = "", picture_url: str = ""
    ) -> "Attachment":
        return cls(
            Kind.LINK, title=title, url=url, description=description, picture_url=picture_url
        )

    @classmethod
    def miniprogram(cls, title: str, *, app_id: str, page: str, media_id: str) -> "Attachment":
        return cls(Kind.MINIPROGRAM, title=title, app_id=app_id, page=page, media_id=media_id)

    @classmethod
    def video(cls, media_id: str) -> "Attachment":
        return cls(Kind.VIDEO, media_id=media_id)

    @classmethod
    def file(cls, media_id: str) -> "Attachment":
        return cls(Kind.FILE, media_id=media_id)

    def to_wire(self) -> Wire:
        """``{"msgtype": …, …: {…}}``; raises OverLimit where its words are too long."""
        return {"msgtype": str(self.kind), str(self.kind): self.body()}

    def body(self) -> Wire:
        """The inner object alone, as welcomes of groups carry it."""
        self._check()
        if self.kind == Kind.LINK:
            fields = {"title": self.title, "url": self.url}
            fields |= {"desc": self.description, "picurl": self.picture_url}
        elif self.kind == Kind.MINIPROGRAM:
            fields = {"title": self.title, "pic_media_id": self.media_id}
            fields |= {"appid": self.app_id, "page": self.page}
        else:
            fields = {"media_id": self.media_id, "pic_url": self.picture_url}
        return {name: value for name, value in fields.items() if value}

    def _check(self) -> None:
        most = limits()
        is_link = self.kind == Kind.LINK
        title_bytes = most.link_title_bytes if is_link else most.program_title_bytes
        within(self.title, title_bytes, _("标题"))
        within(self.description, most.link_description_bytes, _("描述"))
        within(self.url, most.link_url_bytes, _("链接地址"))
        within(self.picture_url, most.link_url_bytes, _("图片地址"))

    @classmethod
    def from_wire(cls, wire: Wire) -> "Attachment":
        """From a record of WeCom; what is unknown to us keeps its kind alone."""
        kind = str(wire.get("msgtype") or wire.get("type") or "")
        body = wire.get(kind) or {}
        return cls(
            kind,
            media_id=body.get("media_id") or body.get("pic_media_id") or "",
            picture_url=body.get("pic_url") or body.get("picurl") or "",
            title=clean_text(body.get("title") or ""),
            description=clean_text(body.get("desc") or ""),
            url=body.get("url") or "",
            app_id=body.get("appid") or "",
            page=body.get("page") or "",
        )


def content_to_wire(text: str, attachments: Sequence[Attachment]) -> Wire:
    """Text and attachments of a message; one of both must be there."""
    if not text and not attachments:
        raise NothingToSend(_("既没有文字也没有附件"))
    if len(attachments) > limits().attachments:
        raise OverLimit(_("附件最多 %(limit)s 个") % {"limit": limits().attachments})
    within(text, limits().message_bytes, _("文字"))
    wire: Wire = {"text": {"content": text}} if text else {}
    if attachments:
        wire["attachments"] = [attachment.to_wire() for attachment in attachments]
    return wire
