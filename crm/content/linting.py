"""What is wrong with a text before anybody sends it: limits of WeCom, words, links, variables."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from crm.content.blocks import MOST_BLOCKS, Block, as_it_was, blocks_of, said_of
from crm.content.cards import Card, holes, is_product, price_of, title_of
from crm.content.models import Material, SensitiveWord
from crm.content.variables import OF_CARD, TextRefused, Variable, parse, problems
from crm.shared.errors import DomainError
from crm.wecom.limits import limits

Kind = Material.Kind

_APP_ID = re.compile(r"wx[0-9A-Za-z]{4,62}")
MASS_BYTES = 4000
MOMENT_CHARS = 2000
LINK_TITLE_BYTES = 128


@dataclass(frozen=True)
class Finding:
    """One thing; ``level`` is bad (cannot stand) or warn (cannot be used everywhere)."""

    level: str
    field: str
    words: str


@dataclass(frozen=True)
class Size:
    """How much room something takes of what WeCom gives it."""

    name: str
    used: int
    most: int

    @property
    def is_over(self) -> bool:
        """Whether it does not fit."""
        return self.used > self.most


def sizes_of(card: Card) -> list[Size]:
    """Bytes and characters as WeCom counts them, before the facts of a product are filled in."""
    title, is_program = title_of(card), bool(card.app_id)
    most = limits().program_title_bytes if is_program else LINK_TITLE_BYTES
    sizes = [
        Size(_("文字字节（一个汉字占 3 字节）"), len(card.text.encode()), MASS_BYTES),
        Size(_("文字字数（朋友圈）"), len(card.text), MOMENT_CHARS),
    ]
    return sizes + ([Size(_("标题字节"), len(title.encode()), most)] if title else [])


def findings_of(card: Card) -> list[Finding]:
    """Everything that is wrong with a material, or with what somebody is writing of one."""
    found = findings(
        text=card.text,
        link_url=card.link_url,
        link_title=title_of(card),
        # A picture or mini-program stands for itself; that it lacks is told at its own field.
        has_card=card.kind in (Kind.IMAGE, Kind.PROGRAM, Kind.ARTICLE)
        or bool(card.picture or card.app_id),
    )
    found += _product(card) if is_product(card) else _no_product(card)
    found += [*_picture(card), *_program(card), *_article(card)]
    return sorted(found, key=lambda one: one.level != "bad")


def findings(*, text: str, link_url: str, link_title: str, has_card: bool = False) -> list[Finding]:
    """What is wrong with words and a link, the worst first; a card may stand without words."""
    found = [*_limits(text), *_links(link_url, link_title)]
    found += sensitive({"text": text, "link_title": link_title})
    if not text.strip() and not link_url and not has_card:
        found.append(Finding("bad", "text", _("请填写文字或链接")))
    found += [Finding("bad", "text", words) for words in problems(text)]
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
        given["link_url"] = card.link_url or card.app_id
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


def _picture(card: Card) -> list[Finding]:
    """Which kinds show a picture, and which must."""
    needs = card.kind in (Kind.IMAGE, Kind.PROGRAM) or bool(card.app_id)
    if needs and card.picture is None:
        words = _("请上传图片") if card.kind == Kind.IMAGE else _("请为小程序上传封面图")
        return [Finding("bad", "picture", words)]
    if card.picture and card.kind in (Kind.TEXT, Kind.SCRIPT):
        words = _("文字和话术不带图片：请去掉图片，或把种类改为图片")
        return [Finding("bad", "picture", words)]
    if card.kind == Kind.IMAGE and card.link_url:
        return [Finding("bad", "link_url", _("图片和链接只能选一种：请清空链接，或改为链接"))]
    return []


def _program(card: Card) -> list[Finding]:
    """Title, AppID and page of a mini-program, as WeCom takes them."""
    given = {"app_id": card.app_id, "app_page": card.app_page}
    if card.kind not in (Kind.PROGRAM, Kind.PRODUCT):
        words = _("只有小程序和产品卡片有这一项：请清空，或改种类")
        return [Finding("bad", name, words) for name, value in given.items() if value]
    if card.kind == Kind.PRODUCT and not any(given.values()):
        return []
    found = []
    if not _APP_ID.fullmatch(card.app_id):
        found.append(Finding("bad", "app_id", _("AppID 以 wx 开头，后面是字母和数字")))
    if not card.app_page.strip():
        found.append(Finding("bad", "app_page", _("请填写小程序页面，例如 pages/route/1.html")))
    elif "://" in card.app_page or any(sign.isspace() for sign in card.app_page):
        found.append(Finding("bad", "app_page", _("小程序页面是路径，不是网址，也不含空格")))
    title, most = title_of(card), limits().program_title_bytes
    if not title.strip():
        found.append(Finding("bad", "link_title", _("请填写标题")))
    elif len(title.encode()) > most:
        words = _("小程序标题最多 %(most)s 字节（约 21 个汉字）") % {"most": most}
        found.append(Finding("bad", "link_title", words))
    if card.link_url:
        found.append(Finding("bad", "link_url", _("小程序和链接只能选一种")))
    return found


def _article(card: Card) -> list[Finding]:
    """A title, something to read, and buttons that a browser can follow."""
    blocks = blocks_of(card)
    if card.kind != Kind.ARTICLE:
        words = _("只有图文有正文：请清空，或把种类改为图文")
        return [Finding("bad", "blocks", words)] if blocks else []
    found = []
    if not card.link_title.strip():
        found.append(Finding("bad", "link_title", _("请填写标题，读者会看到")))
    if card.link_url:
        found.append(Finding("bad", "link_url", _("图文有自己的地址，请清空链接地址")))
    if not blocks:
        found.append(Finding("bad", "blocks", _("请至少写一块正文")))
    if len(blocks) > MOST_BLOCKS:
        words = _("正文最多 %(most)s 块") % {"most": MOST_BLOCKS}
        found.append(Finding("bad", "blocks", words))
    for number, block in enumerate(blocks, start=1):
        words = _("正文第 %(n)s 块：%(words)s")
        found += [
            Finding("bad", "blocks", words % {"n": number, "words": said}) for said in _block(block)
        ]
    return found + sensitive(said_of(card))


def _block(block: Block) -> list[str]:
    if block.kind in ("heading", "text") and not block.text.strip():
        return [_("请填写文字")]
    if block.kind == "picture":
        has_picture = block.source is not None and block.source.picture_id is not None
        return [] if has_picture else [_("请从素材库选一张图片")]
    if block.kind == "card":
        if block.source is None or block.source.material.kind != Kind.PRODUCT:
            return [_("请从素材库选一张产品卡片")]
        if not as_it_was(block.source).link_url:
            return [_("这张产品卡片没有链接地址，按钮无处可去：请先在卡片里填写")]
    return []


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
