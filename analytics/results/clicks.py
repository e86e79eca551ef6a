"""Openings of the short links in a send or a post, and what its people ordered after the first.

A link does not know who opened it. So orders are a ceiling: those of everybody planned to receive
the send, or who could see the post, from the moment on when anybody had opened the link.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.agents.models import User
from crm.links.actions import address_of
from crm.links.models import ShortLink
from crm.links.queries import Openings, links_in, openings, path_of
from crm.moments.models import Moment, MomentAudience
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


@dataclass(frozen=True)
class _Carrier:
    """What carries links: a send or a post. ``people``: rows of who was to read it, in scope."""

    of: MassSend | Moment
    since: datetime
    until: datetime
    people: QuerySet | None


def clicks(send: MassSend, *, days: int, user: User) -> list[LinkRow]:
    """The links of a send that the user may see, in the order of its words."""
    people = None
    if not send.is_to_groups:
        people = MassRecipient.objects.for_user(user).filter(send=send, batch__isnull=False)
    # Openings are told to the present, also between looks.
    return _rows(_Carrier(send, send.send_at, send.send_at + timedelta(days=days), people))


def moment_clicks(moment: Moment, *, days: int, user: User) -> list[LinkRow]:
    """The links of a post that the user may see, in the order of its words."""
    people = MomentAudience.objects.for_user(user).filter(task__moment=moment)
    since = moment.publish_at
    return _rows(_Carrier(moment, since, since + timedelta(days=days), people))


def _rows(carrier: _Carrier) -> list[LinkRow]:
    places: dict[ShortLink, list[tuple[str, int]]] = {}
    for where, said in (("text", carrier.of.text), ("card", carrier.of.link_url)):
        for number, link in enumerate(links_in(said), start=1):
            places.setdefault(link, []).append((where, number))
    return [_row(carrier, link, tuple(at)) for link, at in places.items()]


def _row(carrier: _Carrier, link: ShortLink, places: tuple[tuple[str, int], ...]) -> LinkRow:
    told = openings(link, since=carrier.since, until=carrier.until)
    orders: list[int] | None = None if carrier.people is None else []
    if told.first_at is not None and carrier.people is not None:
        paid = Fact.unsafe_all.filter(
            kind__code="order_paid",
            customer__in=carrier.people.values("customer_id"),
            at__gte=told.first_at,
            at__lt=carrier.until,
        )
        orders = list(paid.values_list("customer_id", flat=True))
    return LinkRow(
        link=link,
        places=places,
        told=told,
        orders=None if orders is None else len(orders),
        buyers=None if orders is None else tuple(sorted(set(orders))),
        elsewhere=_elsewhere(carrier.of, link),
    )


def _elsewhere(of: MassSend | Moment, link: ShortLink) -> int:
    path, found = path_of(link.code), 0
    for table in (MassSend, Moment):
        others = table.unsafe_all.exclude(state=table.State.DRAFT)
        if isinstance(of, table):
            others = others.exclude(pk=of.pk)
        found += others.filter(Q(text__contains=path) | Q(link_url__contains=path)).count()
    return found
