"""What an audience's page says beyond its list: asked again, whom sends reach, what it shares."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Value, When
from pyroaring import BitMap

from analytics.segments.index.bitmaps import ids_of
from analytics.segments.models import SegmentIndex
from analytics.segments.parsing import rule_from
from analytics.segments.past import Instant
from analytics.segments.queries import Answer, answer_then
from analytics.segments.sizes import by_agent, friends_among
from analytics.segments.telling import REACHED, REASONS
from crm.agents.models import Agent, User
from crm.audiences.models import Audience
from crm.audiences.queries import members
from crm.customers.models import Contact, Customer
from crm.outreach.models import OptOut

OFFERED = 200


@dataclass(frozen=True)
class Again:
    """The list, and what its question gives for the same instant; both in the viewer's scope."""

    frozen: BitMap
    found: BitMap

    @property
    def is_same(self) -> bool:
        return self.frozen == self.found


@dataclass(frozen=True)
class Overlap:
    """Two lists in the viewer's scope."""

    mine: BitMap
    other: BitMap

    def part(self, name: str) -> BitMap:
        """``both``, ``only`` (in the first alone) or ``other`` (in the second alone)."""
        return {
            "both": lambda: self.mine & self.other,
            "only": lambda: self.mine - self.other,
            "other": lambda: self.other - self.mine,
        }[name]()


def seen(audience: Audience, user: User) -> BitMap:
    """Members whom the user may see."""
    return BitMap(members(audience, user).order_by().values_list("pk", flat=True))


def ask_again(audience: Audience, user: User) -> Again | None:
    """Ask the question of the instant of freezing, by what was known then; None without a rule."""
    rule = audience.question.get("rule")
    if audience.source != "segment" or rule is None:
        return None
    instant = Instant(audience.frozen_at, as_known=True)
    found = answer_then(rule_from(rule), user=user, instant=instant)
    return Again(seen(audience, user), found.bits)


def reach(audience: Audience, user: User) -> dict[str, int]:
    """How many members a send would reach today, and how many not, by the first reason."""
    counts = dict.fromkeys((REACHED, *REASONS), 0)
    found = reached(audience, user).values_list("reason").annotate(n=Count("pk"))
    return counts | dict(found)


def reached(audience: Audience, user: User) -> QuerySet[Customer, Any]:
    """Members with the reason for which a send would leave them out, or ``reached``."""
    friends = Contact.unsafe_all.current().filter(customer=OuterRef("pk"))
    able = friends.filter(agent__status=Agent.Status.ACTIVE)
    named = members(audience, user).order_by()
    return named.annotate(
        reason=Case(
            When(
                Exists(OptOut.unsafe_all.filter(customer=OuterRef("pk"))), then=Value("opted_out")
            ),
            When(Q(external_userid=None) | ~Exists(friends), then=Value("not_friend")),
            When(~Exists(able), then=Value("no_sender")),
            default=Value(REACHED),
        )
    )


def agents_of(audience: Audience, user: User) -> list[tuple[int, str, int]]:
    """(agent, name, members who are their friends), most first."""
    return by_agent(_members(audience, user), user)


def members_of(audience: Audience, agent: int, user: User) -> list[int] | None:
    """Members who are friends of one agent; None where the user sees no such agent."""
    return friends_among(_members(audience, user), agent, user)


def _members(audience: Audience, user: User) -> Answer:
    engine = "bitmaps" if SegmentIndex.objects.exists() else "sql"
    return Answer(seen(audience, user), engine)


def others(audience: Audience, user: User) -> list[Audience]:
    """Audiences that this one can be compared with, newest first."""
    return list(Audience.objects.for_user(user).exclude(pk=audience.pk)[:OFFERED])


def overlap(audience: Audience, other: Audience, user: User) -> Overlap:
    """What the two share, in the viewer's scope."""
    return Overlap(seen(audience, user), seen(other, user))


def part_of(audience: Audience, part: str, other: Audience | None, user: User) -> list[int] | None:
    """Ids behind one number of the page, ascending; None where there is no such number."""
    if part in (REACHED, *REASONS):
        chosen = reached(audience, user).filter(reason=part)
        return sorted(chosen.values_list("pk", flat=True))
    if part in ("gone", "new"):
        again = ask_again(audience, user)
        if again is None:
            return None
        bits = again.frozen - again.found if part == "gone" else again.found - again.frozen
        return ids_of(bits).tolist()
    if part in ("both", "only", "other") and other is not None:
        return ids_of(overlap(audience, other, user).part(part)).tolist()
    return None
