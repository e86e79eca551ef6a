"""Whom a face is for, who is still to be handed to it, and which faces a piece of work is for."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, When

from crm.agents.models import Agent, User
from crm.audiences.models import Audience, AudienceMember
from crm.customers.models import Contact, Customer, CustomerQuerySet
from crm.faces.models import Face, FaceAgent

# By what somebody who comes is a face's: the way in, who greets them, what is known of them.
BY_CHANNEL, BY_AGENT, BY_CUSTOMER = range(3)


def faces(*, archived: bool = False) -> QuerySet[Face]:
    """All of one kind with whom they are for, in a handful of queries."""
    rows = Face.objects.filter(is_archived=archived).select_related("tag__group", "audience")
    return rows.prefetch_related("agents", "channels")


def audiences(user: User, face: Face | None) -> QuerySet[Audience]:
    """Those that the user may see; the face's own may stay, whoever edits the rest."""
    seen = Audience.objects.for_user(user)
    if face is None or face.audience_id is None:
        return seen
    return seen | Audience.unsafe_all.filter(pk=face.audience_id)


def people(face: Face, user: User) -> CustomerQuerySet:
    """Customers whom the face is for, within the user's scope."""
    return Customer.objects.for_user(user).filter(_meant(face))


def to_hand(face: Face, user: User) -> CustomerQuerySet:
    """Those of them who are not a friend of one of its agents."""
    return people(face, user).exclude(Exists(_own_contacts(face)))


def ids_to_hand(face: Face) -> QuerySet:
    """The same, whoever asks: a handover narrows them to its giver's customers."""
    found = Customer.unsafe_all.filter(_meant(face)).exclude(Exists(_own_contacts(face)))
    return found.values("pk")


@dataclass(frozen=True)
class Giver:
    """An agent who has customers that are to be handed to the face."""

    agent: Agent
    customers: int


def givers(face: Face, user: User) -> list[Giver]:
    """Whose friends are to be handed over, most first; a friend of two counts at both."""
    theirs = Contact.unsafe_all.current().filter(customer__in=to_hand(face, user).values("pk"))
    counts = dict(theirs.values_list("agent").annotate(n=Count("pk")).order_by())
    agents = Agent.objects.for_user(user).filter(pk__in=counts)
    rows = [Giver(agent, counts[agent.pk]) for agent in agents]
    return sorted(rows, key=lambda row: (-row.customers, row.agent.pk))


def greeting_faces(agent: Agent | None, state: str, external_userid: str) -> list[int]:
    """The faces that a new friend is welcomed by, first the one that has most to say.

    The way in that belongs to a face decides, then the agent's face, then what is known of them.
    """
    who = Customer.unsafe_all.filter(external_userid=external_userid or None)
    known = who.values_list("pk", "tag_ids").first() or (0, [])
    members = FaceAgent.objects.filter(face=OuterRef("pk"), agent=agent)
    ways_in = Face.channels.through.objects.filter(face=OuterRef("pk"), channel__code=state)
    listed = AudienceMember.objects.filter(audience=OuterRef("audience_id"), customer_id=known[0])
    rank = Case(
        When(Exists(ways_in), then=BY_CHANNEL),
        When(Exists(members), then=BY_AGENT),
        When(Q(tag_id__in=known[1]) | Exists(listed), then=BY_CUSTOMER),
        output_field=IntegerField(),
    )
    found = Face.objects.live().annotate(rank=rank).filter(rank__isnull=False)
    return list(found.order_by("rank", "pk").values_list("pk", flat=True))


def faces_at_work(
    *,
    agent_ids: Collection[int] = (),
    tag_ids: Collection[int] = (),
    audience_id: int | None = None,
    channel_id: int | None = None,
    face_id: int | None = None,
) -> list[Face]:
    """The faces that something is written for: by whom, to whom, through which way in."""
    meant = Q(pk=face_id) | Q(members__agent__in=agent_ids) | Q(tag__in=tag_ids)
    if audience_id:
        meant |= Q(audience=audience_id)
    if channel_id:
        meant |= Q(channels=channel_id)
    return list(Face.objects.live().filter(meant).distinct())


def _meant(face: Face) -> Q:
    if face.tag_id:
        return Q(tag_ids__contains=[face.tag_id])
    named = AudienceMember.objects.filter(audience=face.audience_id, customer_id=OuterRef("pk"))
    return Q(Exists(named))


def _own_contacts(face: Face) -> QuerySet:
    agents = face.members.values("agent_id")
    return Contact.unsafe_all.current().filter(customer_id=OuterRef("pk"), agent__in=agents)
