"""Openings of the short links in a send, and what its people ordered after the first of them.

A link does not know who opened it. So orders are a ceiling: those of everybody planned to receive
the send, from the moment on when anybody had opened the link.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.agents.models import User
from crm.links.actions import address_of
from crm.links.models import ShortLink
from crm.links.queries import Openings, links_in, openings, path_of
from crm.moments.models import Moment
from crm.outreach.models import MassRecipient, MassSend
from crm.timeline.models import Fact

# Where in a message a link can stand.
PLACES: dict[str, str | Promise] = {"text": _("文字"), "card": _("链接卡片")}


@dataclass(frozen=True)
class LinkRow:
    """One link of a send within its days. ``places``: of (where, how many links before it + 1).

    ``orders`` and ``buyers`` (ascending ids in scope) are None where nobody can tell: posts in
    groups have no list of people. ``elsewhere``: other sends and moments that carry the link, whose
    readers are counted here, too.
    """

    link: ShortLink
    places: tuple[tuple[str, int], ...]
    told: Openings
    orders: int | None
    buyers: tuple[int, ...] | None
    elsewhere: int

    @property
    def address(self) -> str:
        return address_of(self.link)

    def as_json(self) -> dict[str, Any]:
        """The row as the API prints it."""
        return {
            "link": self.link.pk,
            "title": self.link.title,
            "address": self.address,
            "places": [{"in": where, "number": number} for where, number in self.places],
            "opened": self.told.opened,
            "visitors": self.told.visitors,
            "first_at": self.told.first_at and self.told.first_at.isoformat(),
            "last_at": self.told.last_at and self.told.last_at.isoformat(),
            "orders_at_most": self.orders,
            "buyers_at_most": None if self.buyers is None else len(self.buyers),
            "elsewhere": self.elsewhere,
        }


def clicks(send: MassSend, *, days: int, user: User) -> list[LinkRow]:
    """The links of a send that the user may see, in the order of its words."""
    places: dict[ShortLink, list[tuple[str, int]]] = {}
    for where, said in (("text", send.text), ("card", send.link_url)):
        for number, link in enumerate(links_in(said), start=1):
            places.setdefault(link, []).append((where, number))
    return [_row(send, link, tuple(at), days, user) for link, at in places.items()]


def _row(
    send: MassSend, link: ShortLink, places: tuple[tuple[str, int], ...], days: int, user: User
) -> LinkRow:
    told = openings(link, since=send.send_at, until=_end(send, days))
    orders: list[int] | None = None if send.is_to_groups else []
    if told.first_at is not None and orders is not None:
        people = MassRecipient.objects.for_user(user).filter(send=send, batch__isnull=False)
        paid = Fact.unsafe_all.filter(
            kind__code="order_paid",
            customer__in=people.values("customer_id"),
            at__gte=told.first_at,
            at__lt=_end(send, days),
        )
        orders = list(paid.values_list("customer_id", flat=True))
    return LinkRow(
        link=link,
        places=places,
        told=told,
        orders=None if orders is None else len(orders),
        buyers=None if orders is None else tuple(sorted(set(orders))),
        elsewhere=_elsewhere(send, link),
    )


def _end(send: MassSend, days: int) -> datetime:
    """When openings no longer count: they are told to the present, also between looks."""
    return send.send_at + timedelta(days=days)


def _elsewhere(send: MassSend, link: ShortLink) -> int:
    path = path_of(link.code)
    sends = MassSend.unsafe_all.exclude(pk=send.pk).exclude(state=MassSend.State.DRAFT)
    said = Q(text__contains=path) | Q(link_url__contains=path)
    moments = Moment.unsafe_all.exclude(state=Moment.State.DRAFT)
    return sends.filter(said).count() + moments.filter(said).count()
