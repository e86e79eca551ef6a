"""Articles as readers see them: the preview and the public page show the same."""

from collections.abc import Iterable

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.content.blocks import Block, ButtonAddress, PictureAddress, ShownBlock, as_it_was
from crm.content.card_names import PRICE, PRODUCT
from crm.content.cards import FACT_OF, card_values


def paragraphs(text: str) -> tuple[str, ...]:
    """The text line by line; a line of its own is a paragraph, blank ones are none."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def shown_blocks(
    blocks: Iterable[Block], *, picture_url: PictureAddress, href: ButtonAddress
) -> list[ShownBlock]:
    """Every block with its words filled in and its addresses, by position from 1.

    In the company's language whoever looks at it, like all words for customers.
    """
    with override(settings.LANGUAGE_CODE):
        return [
            _shown(position, block, picture_url, href)
            for position, block in enumerate(blocks, start=1)
        ]


def _shown(
    position: int, block: Block, picture_url: PictureAddress, href: ButtonAddress
) -> ShownBlock:
    picture = block.source.picture if block.source else None
    values = card_values(as_it_was(block.source)) if block.kind == "card" and block.source else {}
    return ShownBlock(
        position=position,
        kind=block.kind,
        paragraphs=paragraphs(block.text),
        picture=picture,
        picture_url=picture_url(picture) if picture else "",
        title=values.get(PRODUCT, ""),
        price=values.get(PRICE, ""),
        facts=tuple((name, values[name]) for name in FACT_OF if values.get(name)),
        button=block.button or _("查看详情"),
        href=href(position) if values else "",
    )
