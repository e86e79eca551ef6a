"""What is wrong with a text before anybody sends it: limits of WeCom, words, links, variables."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from crm.content.cards import Card, holes, is_product, price_of, title_of
from crm.content.models import SensitiveWord
from crm.content.variables import OF_CARD, TextRefused, Variable, parse
from crm.shared.errors import DomainError

MASS_BYTES = 4000
MOMENT_CHARS = 2000
LINK_TITLE_BYTES = 128


@dataclass(frozen=True)
class Finding:
    """One thing; ``level`` is bad (cannot stand) or warn (cannot be used everywhere)."""

    level: str
    field: str
    words: str


def findings_of(card: Card) -> list[Finding]:
    """Everything that is wrong with a material, or with what somebody is writing of one."""
    title = title_of(card) if is_product(card) else card.link_title
    found = findings(text=card.text, link_url=card.link_url, link_title=title)
    found += _product(card) if is_product(card) else _no_product(card)
    return sorted(found, key=lambda one: one.level != "bad")


def findings(*, text: str, link_url: str, link_title: str) -> list[Finding]:
    """What is wrong with words and a link, the worst first."""
    found = [*_limits(text), *_links(link_url, link_title)]
    found += sensitive({"text": text, "link_title": link_title})
    if not text.strip() and not link_url:
        found.append(Finding("bad", "text", _("请填写文字或链接")))
    try:
        parse(text)
    except TextRefused as refused:
        found.append(Finding("bad", "text", str(refused)))
    return sorted(found, key=lambda one: one.level != "bad")


def _limits(text: str) -> list[Finding]:
    found, size = [], len(text.encode())
    if size > MASS_BYTES:
        shown = {"n": size, "most": MASS_BYTES}
        words = _("文字有 %(n)s 字节，最多 %(most)s 字节；一个汉字占 3 字节") % shown
        found.append(Finding("bad", "text", words))
    elif len(text) > MOMENT_CHARS:
        shown = {"n": len(text), "most": MOMENT_CHARS}
        words = _("文字有 %(n)s 字，朋友圈最多 %(most)s 字") % shown
        found.append(Finding("warn", "text", words))
    return found


def _links(url: str, title: str) -> list[Finding]:
    if url and not url.startswith(("https://", "http://")):
        return [Finding("bad", "link_url", _("链接须以 https:// 或 http:// 开头"))]
    if url and not title.strip():
        return [Finding("bad", "link_title", _("请填写链接标题"))]
    if len(title.encode()) > LINK_TITLE_BYTES:
        words = _("链接标题最多 %(most)s 字节") % {"most": LINK_TITLE_BYTES}
        return [Finding("bad", "link_title", words)]
    return []


def _product(card: Card) -> list[Finding]:
    """A route of the catalogue, or a title, a price and a link of its own."""
    found = []
    if card.route is None:
        own = {"link_title": _("标题"), "price": _("价格"), "link_url": _("链接地址")}
        given = {"link_title": title_of(card), "price": price_of(card) is not None}
        given["link_url"] = card.link_url
        words = _("产品卡片须选线路，或自己写标题、价格和链接：缺少%(name)s")
        found = [
            Finding("bad", field, words % {"name": name})
            for field, name in own.items()
            if not given[field]
        ]
    if names := holes(card):
        words = _("文字里用了 %(names)s，却没有填写；请填写，或写成 {{名称|备用文字}}")
        found.append(Finding("bad", "text", words % {"names": _("、").join(names)}))
    if card.price_cents is not None and card.price_cents < 0:
        found.append(Finding("bad", "price", _("价格不能小于 0")))
    return found + sensitive({"room": card.room})


def _no_product(card: Card) -> list[Finding]:
    """Facts of a product say nothing in a text."""
    found = []
    said = {"route": card.route, "price": card.price_cents, "room": card.room}
    said |= {"drive_minutes": card.drive_minutes, "walk_metres": card.walk_metres}
    for field, value in said.items():
        if value not in (None, ""):
            words = _("只有产品卡片有这一项：请清空，或把种类改为产品卡片")
            found.append(Finding("bad", field, words))
    if names := _of_card(card.text):
        words = _("只有产品卡片的文字可以用 %(names)s")
        found.append(Finding("bad", "text", words % {"names": _("、").join(names)}))
    return found


def _of_card(text: str) -> list[str]:
    try:
        used = {part.name for part in parse(text) if isinstance(part, Variable)}
    except TextRefused:
        return []  # Told already.
    return [name for name in OF_CARD if name in used]


def sensitive(said: Mapping[str, str]) -> list[Finding]:
    """Sensitive words in ``said`` (text by the name of its field), each at the field it stands in.

    Whatever goes out is asked: a word may have been added after its text was written.
    """
    words = {row.word: plain(row.word) for row in SensitiveWord.objects.filter(is_active=True)}
    return [
        Finding("bad", field, _("含有敏感词「%(word)s」") % {"word": word})
        for field, told in ((field, plain(text)) for field, text in said.items())
        for word, looked_for in words.items()
        # A word of signs alone has nothing that could be found.
        if looked_for and looked_for in told
    ]


def refuse_sensitive(said: Mapping[str, str], refusal: type[DomainError]) -> None:
    """Raise ``refusal`` at the field of the first sensitive word."""
    for finding in sensitive(said):
        raise refusal(finding.words, field=finding.field)


def plain(text: str) -> str:
    """Letters and digits alone, full width as half: blanks and signs in between hide no word."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if sign.isalnum())
