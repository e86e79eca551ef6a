"""The dry run: who would get whom, who stays, and why."""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent
from crm.customers.models import Contact
from crm.faces.models import Face
from crm.faces.queries import ids_to_hand
from crm.groups.models import Group
from crm.handover import rules
from crm.handover.models import Transfer

OPEN_ELSEWHERE, TOO_OFTEN, NO_ROOM = "open_elsewhere", "too_often", "no_room"
NOT_OF_FACE = "not_of_face"


class Split(TextChoices):
    """How customers are shared out among those who take over."""

    EVEN = "even", _("平均分配：每人接手的人数一样多")
    LEVEL = "level", _("拉平：现有客户少的多接")


@dataclass(frozen=True)
class Planned:
    """One customer of the giver: goes to ``taker_id``, or stays for ``reason``."""

    customer_id: int
    taker_id: int | None
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """Every customer of the giver once, and every group with its next owner."""

    giver: Agent
    takers: tuple[Agent, ...]
    is_resigned: bool
    customers: tuple[Planned, ...]
    groups: tuple[tuple[Group, int], ...]

    @property
    def moving(self) -> int:
        """How many customers would change hands."""
        return sum(planned.taker_id is not None for planned in self.customers)

    @property
    def kept(self) -> list[tuple[str, int]]:
        """Why customers stay, and how many for each reason."""
        counted = Counter(p.reason for p in self.customers if p.taker_id is None)
        return sorted(counted.items())

    @property
    def shares(self) -> list[tuple[Agent, int, int]]:
        """Each taker with the customers and groups that they would get."""
        customers = Counter(planned.taker_id for planned in self.customers)
        groups = Counter(owner for _group, owner in self.groups)
        return [(taker, customers[taker.pk], groups[taker.pk]) for taker in self.takers]


def make_plan(
    *,
    giver: Agent,
    takers: Sequence[Agent],
    split: str = Split.EVEN,
    with_groups: bool = False,
    face: Face | None = None,
    now: datetime,
) -> Plan:
    """What a handover would do now; changes nothing. Raises HandoverRefused.

    With ``face`` only the customers move who are to be handed to that persona account.
    """
    resigned = rules.is_resigned(giver, now=now)
    rules.check_takers(giver, takers)
    contacts = Contact.unsafe_all.current().filter(agent=giver).order_by("added_at", "pk")
    ids = list(contacts.values_list("customer_id", flat=True))
    held = obstacles(ids, resigned=resigned, now=now)
    if face is not None:
        meant = set(ids_to_hand(face).filter(pk__in=ids).values_list("pk", flat=True))
        held |= {pk: NOT_OF_FACE for pk in ids if pk not in meant}
    able = [pk for pk in ids if pk not in held]
    given = share_out(
        able, room=rules.room_of(takers), load=rules.load_of(takers), level=split == Split.LEVEL
    )
    customers = tuple(
        Planned(pk, given.get(pk), held.get(pk, "" if pk in given else NO_ROOM)) for pk in ids
    )
    return Plan(giver, tuple(takers), resigned, customers, _groups(giver, takers, with_groups))


def obstacles(customer_ids: Sequence[int], *, resigned: bool, now: datetime) -> dict[int, str]:
    """Customers who cannot be handed over now, with the reason."""
    opened = Transfer.unsafe_all.open().filter(customer_id__in=customer_ids)
    held = dict.fromkeys(opened.values_list("customer_id", flat=True), OPEN_ELSEWHERE)
    if not resigned:
        held = dict.fromkeys(rules.too_often(customer_ids, now=now), TOO_OFTEN) | held
    return held


def share_out(
    customer_ids: Sequence[int],
    *,
    room: Mapping[int, int],
    load: Mapping[int, int],
    level: bool,
) -> dict[int, int]:
    """Customer → taker: always to whoever has least (of these, or in all), within their room."""
    heap = [(load[pk] if level else 0, place, pk) for place, pk in enumerate(room)]
    heapq.heapify(heap)
    left, given = dict(room), {}
    for customer_id in customer_ids:
        while heap and not left[heap[0][2]]:
            heapq.heappop(heap)
        if not heap:
            break
        has, place, pk = heap[0]
        heapq.heapreplace(heap, (has + 1, place, pk))
        left[pk] -= 1
        given[customer_id] = pk
    return given


def _groups(
    giver: Agent, takers: Sequence[Agent], with_groups: bool
) -> tuple[tuple[Group, int], ...]:
    if not with_groups:
        return ()
    owned = Group.unsafe_all.current().filter(owner=giver).order_by("opened_at", "pk")
    free = owned.exclude(transfers__state__in=("planned", "calling", "waiting"))
    return tuple((group, takers[n % len(takers)].pk) for n, group in enumerate(free))
