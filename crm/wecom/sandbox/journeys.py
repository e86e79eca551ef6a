"""One person's way through the company: added, welcomed, chatting, joining, buying or leaving."""

from dataclasses import dataclass

from . import names
from .channels import COLLEAGUE, LINK, MIX, Channel
from .clock import DAY, HOUR, day_start
from .dice import Dice
from .past import Past, waking
from .travel import place_order


@dataclass
class Person:
    """Somebody who once added an agent."""

    key: str
    name: str
    gender: int
    unionid: str
    channel: Channel
    added_at: float
    until: float  # The end of the relation, or now.
    lost_by: str = ""
    member_no: str = ""
    phone: str = ""
    corp_name: str = ""
    in_group: bool = False
    chat_days: int = 0

    @property
    def customer_id(self) -> str:
        """How the company's files name them: by member number where there is one."""
        return self.member_no or self.key


class Journeys:
    """Lets people live; what they leave behind goes into the past."""

    def __init__(self, past: Past, organisation, dice: Dice):
        self.past, self.organisation, self.dice = past, organisation, dice
        self.pushy_days: dict[str, list[float]] = {}
        self.groups_of: dict[int, list[dict]] = {}

    def live(self) -> bool:
        """One more person adds an agent; True when they are still friends today."""
        dice, past = self.dice, self.past
        channel = MIX.draw(dice)
        agent = dice.choice(self.organisation.members)
        added_at = past.some_time(dice)
        person = Person(
            key=dice.key("wm"),
            name=names.nickname(dice),
            gender=dice.choice((0, 1, 1, 2, 2, 2)),
            unionid=dice.key("o", 27),
            channel=channel,
            added_at=added_at,
            until=past.epoch,
        )
        if dice.happens(channel.member):
            self.join_company(person, added_at - dice.soon(120 * DAY), booked=True)
        elif dice.happens(0.02):
            person.unionid, person.corp_name = "", dice.choice(names.COMPANIES)
        self._fate(person, agent)
        # Counted for everybody: the platform's statistics do not forget those who left.
        past.count(agent.userid, added_at, new_contact=1)
        self._join_group(person, agent)
        self._chat(person, agent)
        self._buy(person, agent)
        self._browse(person)
        if person.lost_by:
            self._leave(person, agent)
            return False
        self._stay(person, agent)
        return True

    def join_company(self, person: Person, at: float, *, booked: bool = False) -> None:
        """Become a member of the travel company, with an entry in its own list."""
        dice, past = self.dice, self.past
        person.member_no = f"M{past.next_number('member'):06d}"
        person.phone = names.mobile(dice)
        past.customers.append(
            (
                *(person.member_no, names.real_name(dice), person.phone, person.unionid),
                *(dice.choice(names.CITIES), _birthday(dice), person.channel.state, at),
            )
        )
        if booked and dice.happens(person.channel.booked_before):
            kind = person.channel.state.removesuffix("-order")
            kind = kind if kind in ("hotel", "flight") else "route"
            place_order(past, dice, person.member_no, person.added_at - dice.soon(DAY), kind=kind)

    def _fate(self, person: Person, agent) -> None:
        dice = self.dice
        if not dice.happens(min(0.9, person.channel.loses * (0.6 + 0.4 * agent.pushy))):
            return
        lost_at = person.added_at + HOUR / 4 + dice.soon(person.channel.within * DAY)
        pushed = [day for day in self.pushy_days.get(agent.userid, []) if day > person.added_at]
        if pushed and dice.happens(0.5):  # Three posts in one day were too many.
            lost_at = dice.choice(pushed) + dice.uniform(1, 30) * HOUR
        lost_at = waking(lost_at)
        if lost_at < self.past.epoch:
            person.until = lost_at
            person.lost_by = "customer" if dice.happens(0.87) else "agent"

    def _join_group(self, person: Person, agent) -> None:
        dice, past = self.dice, self.past
        groups = self.groups_of.get(agent.team)
        if not groups or not dice.happens(person.channel.joins_group):
            return
        group = dice.choice(groups)
        joined_at = waking(max(person.added_at, group["create_time"]) + dice.soon(1.5 * DAY))
        if joined_at >= person.until:
            return
        person.in_group = True
        left_at = joined_at + dice.soon(25 * DAY) if dice.happens(0.15) else past.epoch
        left_at = min(left_at, person.until)
        if left_at < past.epoch:
            chat = group["chat_id"]
            past.event(person.customer_id, "group_joined", joined_at, group=chat)
            past.event(person.customer_id, "group_left", left_at, group=chat)
            return
        scene = dice.choice((1, 2, 3, 3, 3))
        state = "grp-welcome" if scene == 3 else ""
        invitor = agent.userid if scene != 3 else ""
        past.chat_members.append(
            (group["chat_id"], person.key, 2, int(joined_at), scene, state, invitor)
        )

    def _chat(self, person: Person, agent) -> None:
        dice, past = self.dice, self.past
        eager = 1.2 if agent.reply_minutes < 6 else 0.9 if agent.reply_minutes < 20 else 0.7
        planned = int(dice.soon(person.channel.chats * eager) + 0.5)
        at = person.added_at + dice.soon(2 * HOUR)
        for _ in range(min(planned, 12)):
            at = waking(at)
            if at >= person.until:
                break
            self._conversation(person, agent, at)
            person.chat_days += 1
            at += 0.6 * DAY + dice.soon(3.5 * DAY)
        if dice.happens(0.3 * agent.pushy):  # Nobody asked for this one.
            sent_at = waking(person.added_at + dice.soon(12 * DAY))
            if sent_at < person.until:
                past.said(person, sent_at, agent=agent.userid, by_customer=False)
                past.count(agent.userid, sent_at, chat=1, message=1)

    def _conversation(self, person: Person, agent, at: float) -> None:
        """The customer opens; the agent answers in their own time, or not at all."""
        dice, past = self.dice, self.past
        for _ in range(dice.choice((1, 2, 2, 3, 4))):
            past.said(person, at, agent=agent.userid, by_customer=True)
            asked_at, at = at, at + dice.uniform(8, 90)
        past.count(agent.userid, asked_at, opened=1)
        if dice.happens(agent.reply_minutes / 300):
            return
        wait = dice.lognormvariate(0, 0.7) * agent.reply_minutes * 60
        reply_at = asked_at + wait
        if reply_at >= past.epoch:
            return
        if day_start(reply_at) == day_start(asked_at):
            past.count(agent.userid, asked_at, answered=1, answer_seconds=int(wait))
        sent = dice.choice((1, 2, 2, 3, 4))
        past.count(agent.userid, reply_at, chat=1, message=sent)
        for _ in range(sent):
            past.said(person, reply_at, agent=agent.userid, by_customer=False)
            reply_at += dice.uniform(10, 120)

    def _buy(self, person: Person, agent) -> None:
        dice = self.dice
        chance = person.channel.buys * agent.skill * (1.5 if person.in_group else 0.85)
        chance *= 1.35 if person.chat_days >= 2 else 0.75
        if not dice.happens(min(0.85, chance)):
            return
        at = waking(person.added_at + dice.lognormvariate(2.3, 0.55) * DAY)
        if at >= person.until:
            return
        for days in (dice.uniform(2.2, 4), dice.uniform(0.1, 1)):  # A trip is talked over first.
            asked_at = waking(at - days * DAY)
            if person.added_at < asked_at < at:
                self._conversation(person, agent, asked_at)
                person.chat_days += 1
        if not person.member_no:
            self.join_company(person, at - dice.uniform(120, 1200))
            self._rename(person)
        place_order(self.past, dice, person.member_no, at, kind="route")
        while dice.happens(0.38 if person.in_group else 0.26):
            at = waking(at + DAY + dice.soon(16 * DAY))
            if at >= person.until:
                break
            place_order(self.past, dice, person.member_no, at)

    def _rename(self, person: Person) -> None:
        """A member has one id in all files, also for what happened before joining."""
        events = self.past.events
        index = len(events) - 1
        while index >= 0 and events[index][0] == person.key:
            events[index] = (person.member_no, *events[index][1:])
            index -= 1

    def _browse(self, person: Person) -> None:
        if not person.member_no:
            return
        dice = self.dice
        for _ in range(int(dice.soon(2.4))):
            at = waking(person.added_at + dice.soon(8 * DAY))
            route = dice.choice(self.past.routes)["route_id"]
            self.past.event(person.member_no, "route_viewed", at, route=route)

    def _leave(self, person: Person, agent) -> None:
        """Those who are gone appear in no list of the platform, so the files tell their story."""
        past, state = self.past, person.channel.state
        who, agent_id = person.customer_id, agent.userid
        if not person.member_no:
            past.customers.append((who, person.name, "", "", "", "", state, person.added_at))
        past.event(who, "friend_added", person.added_at, agent=agent_id, channel=state)
        past.event(who, f"friend_deleted_by_{person.lost_by}", person.until, agent=agent_id)
        if person.lost_by == "customer":
            past.count(agent_id, person.until, negative=1)

    def _stay(self, person: Person, agent) -> None:
        dice, past = self.dice, self.past
        kind = 2 if person.corp_name else 1
        past.contacts.append(
            (
                *(person.key, person.name, kind, person.gender, person.unionid),
                *(person.corp_name, person.member_no),
            )
        )
        self._relate(person, agent.userid, person.added_at, person.channel.add_way)
        others = int(dice.happens(0.12)) + int(dice.happens(0.03))
        for other in dice.sample(self.organisation.members, min(3, len(self.groups_of) + 1)):
            if not others:
                break
            met_at = waking(person.added_at + dice.soon(15 * DAY))
            if other.userid != agent.userid and met_at < past.epoch:
                self._relate(person, other.userid, met_at, COLLEAGUE)
                past.count(other.userid, met_at, new_contact=1, new_apply=1)
                others -= 1

    def _relate(self, person: Person, userid: str, at: float, add_way: int) -> None:
        dice, tags = self.dice, self.organisation.tags
        wish = dice.choice(names.DESTINATIONS)
        remark = f"{person.name[:10]}-{wish}" if dice.happens(0.3) else ""
        phone = [person.phone] if person.phone and dice.happens(0.4) else []
        state = person.channel.state if add_way != COLLEAGUE else ""
        starter = userid if add_way == COLLEAGUE else person.key
        self.past.relations.append(
            (userid, person.key, int(at), add_way, state, remark, phone, starter)
        )
        chosen = [tags["来源"][person.channel.tag]] if add_way in (1, LINK) else []
        if dice.happens(0.6):
            chosen.append(tags["目的地"][wish])
        for group, share in (("出行偏好", 0.4), ("年龄段", 0.3), ("会员等级", 0.5)):
            if dice.happens(share) and (group != "会员等级" or person.member_no):
                chosen.append(dice.choice(list(tags[group].values())))
        self.past.relation_tags.extend((userid, person.key, tag) for tag in chosen)


def _birthday(dice: Dice) -> str:
    if dice.happens(0.3):
        return ""
    return f"{dice.randint(1955, 2006)}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}"
