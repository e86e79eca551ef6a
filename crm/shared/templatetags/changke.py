"""Template filters and tags of the product: ``{% load changke %}``."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from heroicons.templatetags.heroicons import heroicon_outline

from crm.shared import formatting

register = template.Library()


def _or_absent(show: Callable[..., str]) -> Callable[..., str]:
    """The same format for templates, where a missing variable arrives as empty text."""

    @wraps(show)
    def shown(value: Any, *rest: Any) -> str:
        return show(None if value == "" else value, *rest)

    return shown


for _show in (
    formatting.digits,
    formatting.compact,
    formatting.money,
    formatting.compact_money,
    formatting.rate,
    formatting.share,
    formatting.points,
    formatting.masked_phone,
    formatting.day,
    formatting.when,
    formatting.moment,
    formatting.duration,
    formatting.file_size,
):
    register.filter(_show.__name__, _or_absent(_show))

_SORT_ICONS = {
    "ascending": "chevron-up",
    "descending": "chevron-down",
    "none": "chevron-up-down",
}


@register.filter
def initial(name: str) -> str:
    """What an avatar shows: the end of a Chinese name is the given one, else the first letter."""
    return name[:1].upper() if name.isascii() else name[-1:]


@register.filter
def told(sentence: str) -> str:
    """A sentence that a worker wrote down, in the reader's language where it is one of ours.

    Workers write Chinese, whose text is its own message id; words with numbers in them stay as
    they were written.
    """
    return gettext(sentence) if sentence else ""


@register.filter
def item(mapping: Mapping[Any, Any], key: Any) -> Any:
    """``mapping[key]``, or nothing."""
    return mapping.get(key)


@register.simple_tag
@lru_cache(maxsize=512)  # A page has more than a hundred of them, of a few dozen kinds.
def icon(name: str, size: int = 20) -> SafeString:
    """A heroicons outline icon, decorative: text or a label always stands beside it."""
    return heroicon_outline(name, size=size, aria_hidden="true", focusable="false")


@register.simple_tag
def timestamp(value: datetime | None) -> str:
    """``<time>`` with relative words; the exact minute stands in its title."""
    if value is None:
        return formatting.ABSENT
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        formatting.in_corp_zone(value).isoformat(timespec="seconds"),
        formatting.moment(value),
        formatting.when(value),
    )


@register.inclusion_tag("components/sort_th.html", takes_context=True)
def sort_th(context: template.Context, key: str, label: str, css: str = "") -> dict[str, Any]:
    """A column head that sorts on the server: ``?sort=key``, then ``?sort=-key``."""
    query = context["request"].GET.copy()
    current = query.get("sort") or context.get("sort", "")
    direction = {key: "ascending", f"-{key}": "descending"}.get(current, "none")
    for name in ("after", "before"):
        query.pop(name, None)
    # Numbers are asked for largest first, words from the beginning of the alphabet.
    first = f"-{key}" if "num" in css else key
    turned = {f"-{key}": key, key: f"-{key}"}
    query["sort"] = turned.get(current, first)
    return {
        "label": label,
        "css": css,
        "direction": direction,
        "icon_name": _SORT_ICONS[direction],
        "href": f"?{query.urlencode()}",
    }
