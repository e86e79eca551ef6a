"""Making addresses of articles, closing them, and noting what readers did."""

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import Agent, User
from crm.articles.models import CODE_CHARS, ArticleClick, ArticleLink, ArticleView
from crm.content.actions import use
from crm.content.blocks import as_it_was, target_of
from crm.content.cards import title_of
from crm.content.models import ArticleBlock, Material, MaterialVersion
from crm.customers.models import Customer
from crm.links.actions import ALPHABET, LinkRefused, is_machine, refuse_unsafe, visitor_of
from crm.shared.errors import DomainError
from crm.shared.text import clean_text
from crm.timeline.actions import NewFact, append_facts

READ_SECONDS = 15
END_SECONDS = 3
"""Whoever came to the end of a page sooner has scrolled, not read."""
LONGEST = timedelta(minutes=30)
TOLD_FOR = timedelta(hours=24)
Place = ArticleLink.Place


class ArticleRefused(DomainError):
    """An article cannot have such an address."""

    code = "article_refused"


@transaction.atomic
def make_link(
    *,
    material: Material,
    place: str,
    by: User,
    now: datetime,
    note: str = "",
    customer: Customer | None = None,
    agent: Agent | None = None,
) -> ArticleLink:
    """A new address of the newest version; for one customer, the same again where there is one.

    Raises ArticleRefused naming the field, and FactsLacking where a card in it does not tell this
    customer what it must.
    """
    if material.kind != Material.Kind.ARTICLE:
        raise ArticleRefused(_("只有图文有自己的页面"))
    if place not in Place.values:
        raise ArticleRefused(_("请选用在哪里"), field="place")
    if customer is not None and place not in (Place.CHAT, Place.WELCOME):
        words = _("一条群发或朋友圈的文字人人相同，只有单聊和欢迎语能为一位客户单独做链接")
        raise ArticleRefused(words, field="place")
    readers = Customer.unsafe_all.filter(pk=customer.pk) if customer else None
    # Whoever hands an address out uses the material: not an expired one, nor one that lacks facts.
    use(material=material, subject_type="article", by=by, now=now, readers=readers)
    version = MaterialVersion.objects.get(material=material, number=material.version)
    if customer is not None:
        open_ones = ArticleLink.unsafe_all.filter(version=version, customer=customer, place=place)
        if found := open_ones.filter(agent=agent, closed_at=None).first():
            return found
    link = ArticleLink.unsafe_all.create(
        code=_new_code(),
        version=version,
        place=place,
        note=clean_text(note, limit=64),
        customer=customer,
        agent=agent,
        made_by=by,
        made_at=now,
    )
    audit(by, "article.link", link, now=now, place=place, version=version.number)
    return link


def _new_code() -> str:
    while True:
        code = "".join(secrets.choice(ALPHABET) for _n in range(CODE_CHARS))
        if not ArticleLink.unsafe_all.filter(code=code).exists():
            return code


@transaction.atomic
def close_link(*, link: ArticleLink, by: User, now: datetime) -> None:
    """From now on it says that it was taken back; what was counted stays."""
    if ArticleLink.unsafe_all.filter(pk=link.pk, closed_at=None).update(closed_at=now):
        audit(by, "article.close", link, now=now)


def target_at(link: ArticleLink, position: int) -> str:
    """Where the button of a position leads in the version of the link; empty where none is.

    Nothing of the request is taken, and what is stored is looked at once more.
    """
    block = (
        ArticleBlock.objects.filter(version=link.version_id, position=position)
        .select_related("source")
        .first()
    )
    target = target_of(block) if block else ""
    try:
        refuse_unsafe(target)
    except LinkRefused:
        return ""
    return target


@transaction.atomic
def note_opening(*, link: ArticleLink, browser: str, address: str, now: datetime) -> UUID | None:
    """Count an opening; returns its number, None for machines, which do not count."""
    if is_machine(browser) or not _holds(link):
        return None
    visitor = visitor_of("article", link.pk, browser=browser, address=address, now=now)
    view = ArticleView.objects.create(link=link, opened_at=now, visitor=visitor)
    _tell("article_opened", view, link, at=now, now=now)
    return view.pk


@transaction.atomic
def note_reading(
    *, link: ArticleLink, view_id: UUID, visible_ms: int, depth: int, now: datetime
) -> bool:
    """How long an opening was visible in all and how far it was read, in per cent.

    Told as often as one likes and in any order: what is kept only grows, and never beyond the time
    that has passed since the opening. Returns whether the opening is one that can be told of.
    """
    if not _holds(link):
        return False
    rows = ArticleView.objects.select_for_update().filter(pk=view_id, link=link)
    view = rows.filter(opened_at__gt=now - TOLD_FOR, opened_at__lte=now).first()
    if view is None:
        return False
    passed = min(now - view.opened_at, LONGEST) // timedelta(milliseconds=1)
    view.read_ms = max(view.read_ms or 0, min(max(visible_ms, 0), passed))
    view.depth = max(view.depth, min(max(depth, 0), 100))
    if view.read_at is None and is_read(view):
        view.read_at = now
        _tell("article_read", view, link, at=now, now=now)
    view.save(update_fields=["read_ms", "depth", "read_at"])
    return True


def is_read(view: ArticleView) -> bool:
    """Whether an opening counts as read: long enough, or to the end and not in a rush."""
    seconds = (view.read_ms or 0) / 1000
    return seconds >= READ_SECONDS or (view.depth >= 100 and seconds >= END_SECONDS)


@transaction.atomic
def note_click(*, link: ArticleLink, view_id: UUID, position: int, now: datetime) -> bool:
    """Note that a button was pressed in an opening of this link; each button once."""
    if not _holds(link):
        return False
    view = ArticleView.objects.filter(pk=view_id, link=link, opened_at__lte=now).first()
    if view is None:
        return False
    _click, is_new = ArticleClick.objects.get_or_create(
        view=view, position=position, defaults={"at": now}
    )
    if is_new:
        _tell("article_clicked", view, link, at=now, now=now, position=position)
    return is_new


def _holds(link: ArticleLink) -> bool:
    """Keep the person of the link from being erased or merged meanwhile; False: they were."""
    if link.customer_id is None:
        return True
    rows = Customer.unsafe_all.select_for_update(no_key=True)
    return rows.filter(pk=link.customer_id).exists()


def _tell(
    kind: str,
    view: ArticleView,
    link: ArticleLink,
    *,
    at: datetime,
    now: datetime,
    position: int | None = None,
) -> None:
    """Put it on the timeline of the person whose link it is, once for each opening."""
    if link.customer_id is None:
        return
    said: dict[str, str | int] = {
        "article": link.version.material_id,
        "title": link.version.link_title,
        "version": link.version.number,
        "place": link.place,
    }
    key = f"{kind.removeprefix('article_')}:{view.pk}"
    if position is not None:
        said |= {"position": position, "card": _card_at(link, position)}
        key = f"{key}:{position}"
    fact = NewFact(
        link.customer_id, kind, at, "article", key, agent_id=link.agent_id, properties=said
    )
    append_facts([fact], now=now)


def _card_at(link: ArticleLink, position: int) -> str:
    rows = ArticleBlock.objects.filter(version=link.version_id, position=position)
    block = rows.select_related("source__material", "source__route").first()
    return title_of(as_it_was(block.source)) if block and block.source else ""
