"""Materials as rows for files and other systems: the same values under the same names."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.content.cards import price_of
from crm.content.models import Material

COLUMNS: dict[str, str | Promise] = {
    "id": _("编号"),
    "kind": _("种类"),
    "tier": _("级别"),
    "title": _("名称"),
    "topic": pgettext_lazy("material", "主题"),
    "text": _("文字"),
    "link_title": _("链接标题"),
    "link_url": _("链接地址"),
    "route_no": _("线路号"),
    "price": _("价格（元）"),
    "drive_minutes": _("车程（分钟）"),
    "walk_metres": _("步行距离（米）"),
    "room": _("房间条件"),
    "app_id": _("小程序 AppID"),
    "app_page": _("小程序页面"),
    "picture": _("图片"),
    "expires_on": _("有效期至"),
    "reuse_days": _("同一客户间隔天数"),
    "is_archived": _("已归档"),
    "version": _("版本"),
    "author": _("作者"),
    "times_used": _("用过"),
    "updated_at": _("更新时间"),
}
_AS_KEPT = (
    *("kind", "tier", "title", "topic", "text", "link_title", "link_url", "drive_minutes"),
    *("walk_metres", "room", "app_id", "app_page", "expires_on", "reuse_days", "is_archived"),
    *("version", "updated_at"),
)


def record_of(material: Material) -> dict[str, Any]:
    """One material by the names of COLUMNS; ``times`` must have been counted.

    ``picture`` is the SHA-256 of the picture; a product's price is its route's where it has none.
    """
    price = price_of(material) if material.kind == Material.Kind.PRODUCT else None
    return {name: getattr(material, name) for name in _AS_KEPT} | {
        "id": material.pk,
        "route_no": material.route.route_no if material.route else "",
        "price": None if price is None else str(Decimal(price).scaleb(-2)),
        "picture": material.picture.sha256 if material.picture else "",
        "author": material.owner.get_full_name() or material.owner.username,
        "times_used": material.times,
    }


def lines(materials: Iterable[Material]) -> Iterator[list[Any]]:
    """Rows of a file, in the order of COLUMNS; codes in the reader's language."""
    for material in materials:
        record = record_of(material)
        record |= {"kind": material.get_kind_display(), "tier": material.get_tier_display()}
        yield [record[name] for name in COLUMNS]
