"""A life that can be lived twice: the same acts, ten virtual minutes apart, by name.

WeCom gives new people and groups other numbers each time, so what is compared are the names that
the script gives them, and times in steps of the script.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from crm.callbacks import actions as inbox
from crm.customers.models import Contact, Customer, Tag
from crm.groups.models import Group, Membership
from crm.moments.models import ListedMoment
from crm.sync.actions import sync_objects
from crm.timeline.models import Fact
from tests.crm.wecom_helpers import PEOPLE, deliver, told

STEP = timedelta(minutes=10)
Act = Callable[["Life"], Any]


@dataclass
class Life:
    """The world, the product's clock, and what things are called."""

    client: Any
    sandbox: Any
    begun: datetime = field(default_factory=timezone.now)
    offset: timedelta = timedelta()
    heard: int = 0
    names: dict[str, str] = field(default_factory=dict)

    def clock(self) -> datetime:
        return timezone.now() + self.offset

    def live(self, acts: list[Act], *, away: bool = False) -> None:
        """One act a step; the product hears of each, unless it is away and the callbacks lost."""
        for act in acts:
            self.offset += STEP
            self.sandbox.control("clock", advance=STEP.total_seconds())
            act(self)
            messages = told(self.sandbox)[self.heard :]
            self.heard += len(messages)
            if not away:
                deliver(self.client, *messages)
                inbox.work_inbox(clock=self.clock)

    def hear_all_again(self, dice: Any) -> None:
        """Everything once more, in any order, some of it twice."""
        messages = told(self.sandbox)
        again = [*messages, *dice.choices(messages, k=len(messages) // 5)]
        dice.shuffle(again)
        deliver(self.client, *again)
        inbox.work_inbox(clock=self.clock)

    def sync(self) -> None:
        sync_objects([*PEOPLE, "moments"], clock=self.clock)

    def call(self, name: str, number: str) -> None:
        self.names[number] = name

    def number(self, name: str) -> str:
        return next(number for number, given in self.names.items() if given == name)

    # What the product believes

    def at(self, instant: datetime | None) -> int | None:
        """The step of an instant; before the life began it is what it is."""
        if instant is None:
            return None
        passed = instant - self.begun
        if passed < timedelta():
            return -int((self.begun - instant).total_seconds() // 86_400) - 1
        return round(passed / STEP)

    def named(self, number: str) -> str:
        return self.names.get(number, number)

    def believed(self) -> dict[str, set]:
        """Customers, relations, tags, groups, memberships, posts and facts, by name and step."""
        contacts = Contact.unsafe_all.select_related("customer", "agent").prefetch_related("tags")
        stays = Membership.unsafe_all.select_related("group")
        groups = Group.unsafe_all.select_related("owner")
        return {
            "customers": {
                (self.named(number), *rest)
                for number, *rest in Customer.unsafe_all.values_list(
                    "external_userid", "name", "is_friend", "group_count"
                )
            },
            "contacts": {
                (
                    *(self.named(one.customer.external_userid), one.agent.userid, one.status),
                    *(self.at(one.added_at), one.ended_at is not None, one.remark),
                    frozenset(tag.name for tag in one.tags.all() if not tag.is_deleted),
                )
                for one in contacts
            },
            "tags": set(Tag.objects.filter(is_deleted=False).values_list("name", "group__name")),
            "groups": {
                (
                    *(self.named(one.chat_id), one.name, one.notice),
                    *(one.owner.userid if one.owner else "", one.dismissed_at is not None),
                )
                for one in groups
            },
            "memberships": {
                (
                    *(self.named(stay.group.chat_id), self.named(stay.userid)),
                    *(self.at(stay.joined_at), stay.left_at is not None),
                )
                for stay in stays
            },
            "moments": {
                (one.text, one.agent.userid if one.agent else "", self.at(one.posted_at))
                for one in ListedMoment.unsafe_all.standing().select_related("agent")
            },
            "facts": set(map(self._fact, _facts())),
        }

    def _fact(self, fact: Fact) -> tuple:
        """When something ended that nobody saw, only that it ended is known."""
        ended = fact.kind.code.startswith("friend_deleted") or fact.kind.code == "group_left"
        return (
            *(fact.kind.code, self.named(fact.customer.external_userid or "")),
            *(fact.agent.userid if fact.agent else "",),
            *(self.named(fact.group.chat_id) if fact.group else "",),
            None if ended else self.at(fact.at),
        )


def _facts() -> Any:
    facts = Fact.unsafe_all.exclude(kind__code__startswith="tag_")
    return facts.select_related("kind", "customer", "agent", "group")


# Acts


def add(name: str, agent: str, **given: Any) -> Act:
    def act(life: Life) -> None:
        if name in life.names.values():
            given["external_userid"] = life.number(name)
        told = life.sandbox.step("add", userid=agent, name=name, state="shop", **given)
        life.call(name, told["ExternalUserID"])

    return act


def of_pair(kind: str, name: str, agent: str, **given: Any) -> Act:
    return lambda life: life.sandbox.step(
        kind, userid=agent, external_userid=life.number(name), **given
    )


def edit(name: str, agent: str, *, tags: tuple[str, ...] = (), **given: Any) -> Act:
    def act(life: Life) -> None:
        known = {said: number for number, said, _gone in life.sandbox.read("world")["tags"]}
        tagged = [known[tag] for tag in tags]
        of_pair("edit", name, agent, add_tag=tagged, **given)(life)

    return act


def open_group(name: str, owner: str) -> Act:
    def act(life: Life) -> None:
        life.call(name, life.sandbox.step("group_create", owner=owner, name=name)["ChatId"])

    return act


def in_group(kind: str, group: str, who: str) -> Act:
    return lambda life: life.sandbox.step(
        kind, chat_id=life.number(group), external_userid=life.number(who)
    )


def of_group(kind: str, group: str, /, **given: Any) -> Act:
    return lambda life: life.sandbox.step(kind, chat_id=life.number(group), **given)


def new_tag(name: str) -> Act:
    def act(life: Life) -> None:
        token = life.sandbox.access_token()
        listed = life.sandbox.post("externalcontact/get_corp_tag_list", token)["tag_group"]
        group_id = min(group["group_id"] for group in listed)
        life.sandbox.step("tag_create", group_id=group_id, name=name)

    return act


def of_tag(kind: str, name: str, /, **given: Any) -> Act:
    def act(life: Life) -> None:
        known = {said: number for number, said, _gone in life.sandbox.read("world")["tags"]}
        life.sandbox.step(kind, tag_id=known[name], **given)

    return act


def post(agent: str, text: str) -> Act:
    return lambda life: life.sandbox.step("publish_moment", userid=agent, text=text)
