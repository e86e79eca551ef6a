"""Comings and goings that only an event, or an absence, tells of."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from crm.customers.actions import ensure_customers, one_writer, refresh_customers
from crm.customers.models import Customer
from crm.groups.models import Group, Membership
from crm.timeline.actions import NewFact, append_facts
from crm.timeline.models import Fact
from crm.wecom.records import ExternalSeen

# The list of members and the event may differ by the time that the platform took to tell.
SAME_START = timedelta(seconds=10)


def joined(stay: Membership, chat_id: str, at: datetime) -> NewFact:
    """The fact of joining. Sync and callback give it the same name."""
    return NewFact(
        customer_id=stay.customer_id,
        kind="group_joined",
        at=at,
        source="wecom",
        source_key=f"{chat_id}:{stay.userid}:{int(at.timestamp())}",
        group_id=stay.group_id,
        properties={"join_scene": stay.join_scene} | ({"state": stay.state} if stay.state else {}),
    )


def left(
    stay: Membership, chat_id: str, at: datetime, *, observed: bool = False, dismissed: bool = False
) -> NewFact:
    """The fact of leaving; ``observed`` when only the absence was seen."""
    key = f"{chat_id}:{stay.userid}:{int(at.timestamp())}:left"
    if observed:
        key = f"{chat_id}:{stay.userid}:{int(stay.joined_at.timestamp())}:missing"
    properties: dict[str, object] = {}
    if stay.quit_scene is not None:
        properties["quit_scene"] = stay.quit_scene
    if observed:
        properties["observed"] = True
    if dismissed:
        properties["dismissed"] = True
    return NewFact(
        customer_id=stay.customer_id,
        kind="group_left",
        at=at,
        source="sync" if observed else "wecom",
        source_key=key,
        group_id=stay.group_id,
        properties=properties,
    )


def note_joined(
    *, chat_id: str, userids: Iterable[str], at: datetime, scene: int, now: datetime
) -> None:
    """An event says that these people joined; write down stays that WeCom shows no more."""
    one_writer()
    group = Group.unsafe_all.filter(chat_id=chat_id).first()
    if group is None:
        return
    for customer in _customers(userids, now):
        if _is_told(group, customer, at):
            continue
        stay = Membership(
            group=group,
            customer=customer,
            userid=customer.external_userid,
            joined_at=at,
            join_scene=scene,
        )
        end = _facts(group, customer).filter(kind__code="group_left", at__gte=at).order_by("at")
        stay.left_at = end.values_list("at", flat=True).first() or at
        stay.save()
        append_facts([joined(stay, chat_id, at)], now=now)
        refresh_customers([customer.pk], now)


def note_left(
    *, chat_id: str, userids: Iterable[str], at: datetime, scene: int | None, now: datetime
) -> None:
    """An event says that these people left. A stay that began later lives on."""
    one_writer()
    group = Group.unsafe_all.filter(chat_id=chat_id).first()
    if group is None:
        return
    for customer in _customers(userids, now):
        stays = Membership.unsafe_all.filter(group=group, customer=customer, joined_at__lte=at)
        stay = stays.order_by("-joined_at").first()
        if stay is None:
            stay = Membership(group=group, customer=customer, userid=customer.external_userid)
        elif stay.left_at is None or stay.left_at > at or stay.left_at == stay.joined_at:
            stay.left_at, stay.quit_scene = at, scene
            stay.save()
        stay.quit_scene = scene
        if not _observed(group, customer, stay):
            append_facts([left(stay, chat_id, at)], now=now)
        refresh_customers([customer.pk], now)


def open_stays(chat_id: str) -> set[str]:
    """External ids of the customers who are in the group as far as we know."""
    stays = Membership.unsafe_all.current().filter(group__chat_id=chat_id, customer__isnull=False)
    return set(stays.values_list("userid", flat=True))


def version_of(chat_id: str) -> str:
    """The version of the member list that was applied last; empty for unknown groups."""
    versions = Group.unsafe_all.filter(chat_id=chat_id).values_list("member_version", flat=True)
    return versions.first() or ""


def dismiss_groups(
    chat_ids: Iterable[str], *, at: datetime, now: datetime, observed: bool = False
) -> int:
    """The groups are no more; everybody who was in them has left."""
    one_writer()
    groups = list(Group.unsafe_all.filter(chat_id__in=list(chat_ids), dismissed_at__isnull=True))
    for group in groups:
        group.dismissed_at = max(at, group.opened_at)
        group.customer_count = group.agent_count = 0
        group.updated_at = now
    Group.unsafe_all.bulk_update(
        groups, ["dismissed_at", "customer_count", "agent_count", "updated_at"], batch_size=500
    )
    stays = list(Membership.unsafe_all.current().filter(group__in=groups).select_related("group"))
    facts = []
    for stay in stays:
        stay.left_at, stay.updated_at = max(at, stay.joined_at), now
        if stay.customer_id:
            fact = left(stay, stay.group.chat_id, stay.left_at, observed=observed, dismissed=True)
            facts.append(fact)
    Membership.unsafe_all.bulk_update(stays, ["left_at", "updated_at"], batch_size=500)
    append_facts(facts, now=now)
    refresh_customers({stay.customer_id for stay in stays if stay.customer_id}, now)
    return len(groups)


def _customers(userids: Iterable[str], now: datetime) -> list[Customer]:
    """Customers by external id; ids of our own agents are left out, strangers get a row."""
    wanted = set(userids)
    known = list(Customer.unsafe_all.filter(external_userid__in=wanted).order_by("pk"))
    strangers = wanted - {customer.external_userid for customer in known}
    # Customers' ids begin with wm or wo; whatever else joins is one of our own.
    guests = [ExternalSeen(u, "") for u in sorted(strangers) if u.startswith(("wm", "wo"))]
    ids = ensure_customers(guests, asked_at=now, now=now, origin="group")
    return known + list(Customer.unsafe_all.filter(pk__in=ids.values()).order_by("pk"))


def _facts(group: Group, customer: Customer):
    kinds = ("group_joined", "group_left")
    return Fact.unsafe_all.filter(customer=customer, group=group, kind__code__in=kinds)


def _is_told(group: Group, customer: Customer, at: datetime) -> bool:
    """Whether a fact tells of this joining already; the list and the event may differ a little."""
    joins = _facts(group, customer).filter(kind__code="group_joined")
    return joins.filter(at__gte=at - SAME_START, at__lte=at + SAME_START).exists()


def _observed(group: Group, customer: Customer, stay: Membership) -> bool:
    noticed = _facts(group, customer).filter(kind__code="group_left", source="sync")
    if stay.joined_at is not None:
        noticed = noticed.filter(at__gte=stay.joined_at)
    return noticed.exists()
