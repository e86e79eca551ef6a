"""What an article (图文) is read as: headings, paragraphs, pictures and product cards in order.

What surprises: a picture or card in an article is a version, as it was when the article was saved.
Who changes the card saves the article again, or the article goes on telling the old facts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from crm.content.models import SAID, ArticleBlock, Material, MaterialPicture, MaterialVersion

MOST_BLOCKS = 30
Kind = ArticleBlock.Kind


@dataclass(frozen=True)
class Block:
    """One block as somebody writes it."""

    kind: str
    text: str = ""
    button: str = ""
    source: MaterialVersion | None = None


def blocks_of(card: Any) -> tuple[Block, ...]:
    """The blocks of a material's newest version, or of what somebody is writing of one."""
    if not isinstance(card, Material):
        return card.blocks
    return _read(ArticleBlock.objects.filter(version__material=card, version__number=card.version))


def blocks_in(version: MaterialVersion) -> tuple[Block, ...]:
    """The blocks of one version."""
    return _read(version.blocks.all())


def _read(rows: QuerySet[ArticleBlock]) -> tuple[Block, ...]:
    return tuple(
        Block(row.kind, row.text, row.button, row.source)
        for row in rows.select_related("source__material", "source__picture", "source__route")
    )


def written(*, kind: str, text: str, button: str, source: Material | None) -> Block:
    """What somebody wrote, without what its kind has no use for; ``source`` as it is now."""
    takes = kind in (Kind.PICTURE, Kind.CARD)
    version = None
    if takes and source is not None:
        rows = source.versions.select_related("material", "picture", "route")
        version = rows.get(number=source.version)
    return Block(
        kind=kind,
        text="" if takes else text.replace("\r\n", "\n").strip(),
        button=button.strip() if kind == Kind.CARD else "",
        source=version,
    )


def keep_blocks(version: MaterialVersion, blocks: Iterable[Block]) -> None:
    """Keep what a version is read as, counted from 1."""
    ArticleBlock.objects.bulk_create(
        ArticleBlock(version=version, position=position, **vars(block))
        for position, block in enumerate(blocks, start=1)
    )


def as_it_was(version: MaterialVersion) -> Material:
    """The material as it stood at a version; for reading, never to be saved."""
    now = version.material
    was = Material(pk=now.pk, kind=now.kind, title=now.title, version=version.number)
    for name in SAID:
        setattr(was, name, getattr(version, name))
    return was


def product_cards(card: Any) -> list[Material]:
    """The product cards that an article shows, each as it was saved with it."""
    return [
        as_it_was(block.source)
        for block in blocks_of(card)
        if block.kind == Kind.CARD and block.source is not None
    ]


def said_of(card: Any) -> dict[str, str]:
    """The words of the blocks, by the field where they are written."""
    words = "\n".join(f"{block.text}\n{block.button}" for block in blocks_of(card))
    return {"blocks": words} if words.strip() else {}


def target_of(block: ArticleBlock) -> str:
    """Where the button of a stored block leads; empty where it has none."""
    if block.kind != Kind.CARD or block.source is None:
        return ""
    return block.source.link_url


@dataclass(frozen=True)
class ShownBlock:
    """One block as a template shows it; addresses are the page's own."""

    position: int
    kind: str
    paragraphs: tuple[str, ...]
    picture: MaterialPicture | None
    picture_url: str
    title: str
    price: str
    facts: tuple[tuple[str, str], ...]
    button: str
    href: str


PictureAddress = Callable[[MaterialPicture], str]
ButtonAddress = Callable[[int], str]
