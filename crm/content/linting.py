"""What is wrong with a text before anybody sends it: limits of WeCom, words, links, variables."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from crm.content.models import SensitiveWord
from crm.content.variables import TextRefused, parse
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


def findings(*, text: str, link_url: str, link_title: str) -> list[Finding]:
    """Everything that is wrong, the worst first."""
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
