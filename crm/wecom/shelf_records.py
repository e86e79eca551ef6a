"""What an application keeps at WeCom: word rules, products, rule groups, group welcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import IntegerChoices
from django.utils.translation import gettext_lazy as _

from crm.shared.text import clean_text
from crm.shared.times import from_unix
from crm.wecom.attachments import Attachment
from crm.wecom.records import Wire

MEMBER, DEPARTMENT = 1, 2


class Semantics(IntegerChoices):
    """What a rule can recognise beside words."""

    PHONE = 1, _("手机号")
    EMAIL = 2, _("邮箱地址")
    RED_PACKET = 3, _("红包")


@dataclass(frozen=True)
class Range:
    """Agents and departments that something applies to."""

    userids: tuple[str, ...] = ()
    department_ids: tuple[int, ...] = ()

    def to_wire(self) -> Wire:
        return {"user_list": list(self.userids), "department_list": list(self.department_ids)}

    def minus(self, other: "Range") -> "Range":
        return Range(
            tuple(u for u in self.userids if u not in other.userids),
            tuple(d for d in self.department_ids if d not in other.department_ids),
        )

    @classmethod
    def from_wire(cls, wire: Wire) -> "Range":
        return cls(tuple(wire.get("user_list") or ()), tuple(wire.get("department_list") or ()))


@dataclass(frozen=True)
class WordRule:
    """敏感词规则: what agents may not write; enforced by WeCom, which tells nobody of hits."""

    name: str
    words: tuple[str, ...]
    applies_to: Range
    semantics: tuple[int, ...] = ()
    blocks: bool = True
    rule_id: str = ""

    @property
    def wire_type(self) -> int:
        """1 warns and blocks, 2 only warns."""
        return 1 if self.blocks else 2

    @classmethod
    def from_wire(cls, wire: Wire) -> "WordRule":
        return cls(
            name=clean_text(wire["rule_name"]),
            words=tuple(clean_text(word) for word in wire.get("word_list") or ()),
            applies_to=Range.from_wire(wire.get("applicable_range") or {}),
            semantics=tuple((wire.get("extra_rule") or {}).get("semantics_list") or ()),
            blocks=wire.get("intercept_type") == 1,
            rule_id=str(wire["rule_id"]),  # One sample shows a number.
        )


@dataclass(frozen=True)
class RuleSeen:
    """A rule as the list names it."""

    rule_id: str
    name: str
    created_at: datetime

    @classmethod
    def from_wire(cls, wire: Wire) -> "RuleSeen":
        created_at = from_unix(int(wire["create_time"]))
        return cls(str(wire["rule_id"]), clean_text(wire["rule_name"]), created_at)


@dataclass(frozen=True)
class Product:
    """商品图册: a product for chats; its pictures are ids of ``upload_album_picture``."""

    description: str
    price_cents: int
    picture_ids: tuple[str, ...]
    number: str = ""
    product_id: str = ""

    def to_wire(self) -> Wire:
        # "type" here, where all other attachments say "msgtype".
        pictures = [{"type": "image", "image": {"media_id": key}} for key in self.picture_ids]
        wire: Wire = {"description": self.description, "price": self.price_cents}
        wire["attachments"] = pictures
        return wire | ({"product_sn": self.number} if self.number else {})

    @classmethod
    def from_wire(cls, wire: Wire) -> "Product":
        pictures = [Attachment.from_wire(item) for item in wire.get("attachments") or ()]
        return cls(
            description=clean_text(wire.get("description") or ""),
            price_cents=int(wire.get("price") or 0),
            picture_ids=tuple(picture.media_id for picture in pictures),
            number=wire.get("product_sn") or "",
            product_id=str(wire["product_id"]),
        )


@dataclass(frozen=True)
class Strategy:
    """规则组: who may do what with customers (or Moments) in a part of the company."""

    name: str
    parent_id: int = 0
    admins: tuple[str, ...] = ()
    privileges: Mapping[str, bool] = field(default_factory=dict)
    strategy_id: int = 0
    created_at: datetime | None = None

    @classmethod
    def from_wire(cls, wire: Wire) -> "Strategy":
        return cls(
            name=clean_text(wire["strategy_name"]),
            parent_id=int(wire.get("parent_id") or 0),
            admins=tuple(wire.get("admin_list") or ()),
            privileges=dict(wire.get("privilege") or {}),
            strategy_id=int(wire["strategy_id"]),
            created_at=from_unix(int(wire["create_time"])),
        )


def range_nodes(people: Range) -> list[Wire]:
    """The range in the shape of rule groups: one node for each member and department."""
    members = [{"type": MEMBER, "userid": userid} for userid in people.userids]
    return members + [{"type": DEPARTMENT, "partyid": key} for key in people.department_ids]


def range_of_nodes(nodes: list[Wire]) -> Range:
    return Range(
        tuple(node["userid"] for node in nodes if node.get("type") == MEMBER),
        tuple(node["partyid"] for node in nodes if node.get("type") == DEPARTMENT),
    )


@dataclass(frozen=True)
class GroupWelcome:
    """入群欢迎语: one that owners may choose; ``%NICKNAME%`` stands for the newcomer's name."""

    text: str
    attachment: Attachment | None = None

    @classmethod
    def from_wire(cls, wire: Wire) -> "GroupWelcome":
        kinds = ("image", "link", "miniprogram", "file", "video")
        kind = next((kind for kind in kinds if wire.get(kind)), "")
        card = Attachment.from_wire({"msgtype": kind, kind: wire[kind]}) if kind else None
        return cls(clean_text((wire.get("text") or {}).get("content") or ""), card)
