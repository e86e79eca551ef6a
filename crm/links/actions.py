"""Making links, closing them, and noting that one was opened."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.links.models import CODE_CHARS, LinkClick, ShortLink
from crm.shared.errors import DomainError
from crm.shared.text import clean_text
from crm.shared.times import local_day

# Nothing that is mistaken for something else when it is read aloud.
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
TARGET_BYTES = 2048
_UNPRINTABLE = re.compile(r"[\s\x00-\x20\x7f\\]")
# What fetches a link to show a preview of it, or to look it over.
_MACHINES = re.compile(r"bot|spider|crawler|preview|curl|wget|python|java/|go-http|headless", re.I)


class LinkRefused(DomainError):
    """A link cannot lead there."""

    code = "link_refused"


def address_of(link: ShortLink) -> str:
    """The address to hand out."""
    return settings.SITE_URL + reverse("crm:links:go", args=[link.code])


@transaction.atomic
def make_link(*, target: str, title: str, by: User, now: datetime) -> ShortLink:
    """A new short link; raises LinkRefused naming the field."""
    target, title = target.strip(), clean_text(title, limit=128)
    if not title:
        raise LinkRefused(_("请填写名称，便于在列表中辨认"), field="title")
    refuse_unsafe(target)
    link = ShortLink.unsafe_all.create(
        code=_new_code(), target=target, title=title, made_by=by, made_at=now
    )
    audit(by, "link.make", link, now=now, target=target)
    return link


def refuse_unsafe(target: str) -> None:
    """Raise LinkRefused for what is no plain web address, or leads round in a circle."""
    words = _("请填写以 https:// 或 http:// 开头的完整地址")
    if not target or len(target.encode()) > TARGET_BYTES or _UNPRINTABLE.search(target):
        raise LinkRefused(words, field="target")
    try:
        parts = urlsplit(target)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise LinkRefused(words, field="target") from None
    if parts.scheme not in ("https", "http") or not host:
        raise LinkRefused(words, field="target")
    if parts.username is not None or parts.password is not None:
        raise LinkRefused(_("地址里不能有用户名和密码"), field="target")
    ours = urlsplit(settings.SITE_URL)
    short = reverse("crm:links:go", args=["x"]).removesuffix("x/")
    if host == ours.hostname and parts.path.startswith(short):
        raise LinkRefused(_("短链接不能再指向短链接"), field="target")


def _new_code() -> str:
    while True:
        code = "".join(secrets.choice(ALPHABET) for _n in range(CODE_CHARS))
        if not ShortLink.unsafe_all.filter(code=code).exists():
            return code


@transaction.atomic
def close_link(*, link: ShortLink, by: User, now: datetime) -> None:
    """From now on it leads nowhere; what was counted stays."""
    if ShortLink.unsafe_all.filter(pk=link.pk, closed_at=None).update(closed_at=now):
        audit(by, "link.close", link, now=now)


def note_click(*, link: ShortLink, browser: str, address: str, now: datetime) -> bool:
    """Count an opening by a person; returns whether it counted. Machines do not count."""
    if is_machine(browser):
        return False
    visitor = visitor_of("", link.pk, browser=browser, address=address, now=now)
    LinkClick.objects.create(link=link, at=now, visitor=visitor)
    return True


def is_machine(browser: str) -> bool:
    """Whether what asks names itself as no browser of a person, or not at all."""
    return not browser or _MACHINES.search(browser) is not None


def visitor_of(kind: str, pk: int, *, browser: str, address: str, now: datetime) -> str:
    """The same for one device on one day and one link; nobody can be told from it."""
    said = "\n".join([f"{kind}{pk}", str(local_day(now)), address, browser])
    return hmac.new(settings.SECRET_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()[:16]
