"""A small world of customers for segments, as rows and dictionaries, and random rules over it."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from crm.catalog.models import Order
from crm.customers.models import Customer
from tests import factories

NOW = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)  # 01:30 on the 21st in Shanghai.
TODAY = date(2026, 11, 21)
CITIES = ("上海", "北京", "成都", "")
PLACES = ("三亚", "大理", "桂林")
STAGES = tuple(Customer.Stage.values)


class World:
    """Customers with everything that a rule can ask for, drawn with a seed."""

    def __init__(self, seed: int, people: int) -> None:
        self.dice = random.Random(seed)
        self.tags = [factories.make_tag().pk for _n in range(5)]
        self.channels = [factories.make_channel().pk for _n in range(3)]
        self.agents = [factories.make_agent() for _n in range(4)]
        self.groups = [factories.make_group() for _n in range(3)]
        self.segments: dict[int, dict[str, Any]] = {}
        self.ids = [self.add() for _n in range(people)]

    def some_time(self, days: int = 40) -> datetime | None:
        if self.dice.random() < 0.2:
            return None
        return NOW - timedelta(minutes=self.dice.randrange(days * 1440))

    def add(self) -> int:
        customer = factories.make_customer(**self._columns())
        self.relate(customer)
        return customer.pk

    def _columns(self) -> dict[str, Any]:
        dice = self.dice
        birthday = None
        if dice.random() < 0.8:
            birthday = dice.choice([date(2000, 2, 29), date(1996, 11, 21), date(1996, 11, 22)])
            if dice.random() < 0.7:
                birthday = date(1950, 1, 1) + timedelta(days=dice.randrange(20_000))
        return {
            "stage": dice.choice(STAGES),
            "channel_id": dice.choice([*self.channels, None]),
            "gender": dice.randrange(3),
            "city": dice.choice(CITIES),
            "is_friend": dice.random() < 0.6,
            "friend_since": self.some_time(),
            "birthday": birthday,
            "order_count": dice.choice([0, 0, 1, 2, 5]),
            "paid_cents": dice.choice([-500, 0, 0, 100_00, 123_45, 999_999_99]),
            "group_count": dice.randrange(3),
            "last_paid_at": self.some_time(),
            "last_message_at": self.some_time(),
            "last_fact_at": self.some_time(),
            "tag_ids": dice.sample(self.tags, dice.randrange(4)),
        }

    def relate(self, customer: Customer) -> None:
        dice = self.dice
        for agent in dice.sample(self.agents, dice.randrange(3)):
            ended = (
                {} if dice.random() < 0.6 else {"status": "deleted_by_customer", "ended_at": NOW}
            )
            factories.make_contact(customer, agent, **ended)
        for group in dice.sample(self.groups, dice.randrange(3)):
            gone = {} if dice.random() < 0.7 else {"left_at": NOW}
            factories.make_membership(group, customer, **gone)
        for _n in range(dice.randrange(2)):
            self.order(customer)
        for _n in range(dice.randrange(6)):
            self.fact(customer)

    def order(self, customer: Customer) -> None:
        start = TODAY + timedelta(days=self.dice.randrange(-15, 15))
        status = self.dice.choice(list(Order.Status.values))
        factories.make_order(
            customer, status=status, start_on=start, end_on=start + timedelta(days=3)
        )

    def fact(self, customer: Customer) -> None:
        kind = self.dice.choice(["route_viewed", "message_sent"])
        at = NOW - timedelta(minutes=self.dice.randrange(20 * 1440))
        properties = {"destination": self.dice.choice(PLACES)} if kind == "route_viewed" else {}
        if kind == "route_viewed" and self.dice.random() < 0.3:
            properties["device"] = "pad"
        factories.make_fact(customer, kind, at, properties=properties)

    def change(self) -> None:
        """Something happens to somebody, by the ways in which it does."""
        customer = Customer.unsafe_all.get(pk=self.dice.choice(self.ids))
        kind = self.dice.randrange(6)
        if kind == 0:
            self.ids.append(self.add())
        elif kind == 1:
            Customer.unsafe_all.filter(pk=customer.pk).update(**self._columns())
        elif kind == 2:
            self.fact(customer)
        elif kind == 3:
            customer.memberships.update(left_at=NOW)
        elif kind == 4:
            customer.orders.update(status="refunded", paid_at=NOW)
        else:
            customer.contacts.update(status="deleted_by_agent", ended_at=NOW)

    def people(self) -> list[dict[str, Any]]:
        """Every customer as a dictionary."""
        return [_person(c) for c in Customer.unsafe_all.order_by("pk")]

    def as_oracle(self) -> dict[str, Any]:
        return {"today": TODAY, "segments": self.segments}

    def rule(self, depth: int = 2) -> dict[str, Any]:
        """A random rule."""
        dice = self.dice
        if depth and dice.random() < 0.6:
            how = dice.choice(["all", "any", "none"])
            return {how: [self.rule(depth - 1) for _n in range(dice.randrange(4))]}
        return dice.choice(self._leaves())()

    def _leaves(self) -> list:
        return [
            self._choice, self._span, self._span, self._tags, self._belongs, self._fact,
            self._fact, self._trip, self._bucket, self._segment,
        ]  # fmt: skip

    def _some(self, values) -> list:
        values = list(values)
        return self.dice.sample(values, self.dice.randrange(1, len(values)))

    def _choice(self) -> dict[str, Any]:
        field, values = self.dice.choice(
            [
                ("stage", STAGES),
                ("channel", self.channels),
                ("gender", (0, 1, 2)),
                ("city", (*CITIES[:3], "无此城市")),
                ("friend", ("friend", "lost", "never")),
            ]
        )
        return {"field": field, "in": self._some(values)}

    def _span(self) -> dict[str, Any]:
        dice = self.dice
        field, top = dice.choice(
            [
                ("age", 80),
                ("orders", 6),
                ("paid", 200),
                ("groups", 3),
                ("added_days", 45),
                ("paid_days", 45),
                ("message_days", 45),
                ("fact_days", 45),
            ]
        )
        low, high = sorted(dice.randrange(-5, top) for _n in range(2))
        if field == "age" and dice.random() < 0.5:
            low = high = dice.choice([25, 26, 29, 30])
        return {"field": field} | dice.choice(
            [{"from": low}, {"to": high}, {"from": low, "to": high}]
        )

    def _tags(self) -> dict[str, Any]:
        return {"tags": self.dice.choice(["any", "all", "none"]), "ids": self._some(self.tags)}

    def _belongs(self) -> dict[str, Any]:
        if self.dice.random() < 0.5:
            return {"group": self._some(g.pk for g in self.groups)}
        return {"agent": self._some(a.pk for a in self.agents)}

    def _fact(self) -> dict[str, Any]:
        dice = self.dice
        kind = dice.choice(["route_viewed", "message_sent", "no_such_kind"])
        low, high = sorted(dice.randrange(1, 4) for _n in range(2))
        times = dice.choice(
            [{"at_least": low}, {"at_most": high - 1}, {"at_least": low, "at_most": high}]
        )
        where = dice.choice([{}, {"destination": dice.choice(PLACES)}, {"device": "pad"}])
        body = {"fact": kind, "days": dice.randrange(1, 25)} | times
        return body | ({"where": where} if where else {})

    def _trip(self) -> dict[str, Any]:
        low, high = sorted(self.dice.randrange(-12, 12) for _n in range(2))
        return {"trip": self.dice.choice(["start", "return"]), "from": low, "to": high}

    def _bucket(self) -> dict[str, Any]:
        low, high = sorted(self.dice.sample(range(101), 2))
        return {"bucket": [low, high], "salt": self.dice.choice(["春", "夏"])}

    def _segment(self) -> dict[str, Any]:
        if not self.segments:
            return self._choice()
        return {"segment": self.dice.choice(list(self.segments))}


def _person(c: Customer) -> dict[str, Any]:
    friendship = "friend" if c.is_friend else "lost" if c.friend_since else "never"
    stays = c.memberships.filter(left_at__isnull=True, group__dismissed_at__isnull=True)
    return {
        "id": c.pk,
        "stage": c.stage,
        "channel": c.channel_id,
        "gender": c.gender,
        "city": c.city,
        "friend": friendship,
        "age": c.birthday,
        "orders": c.order_count,
        "paid": c.paid_cents,
        "groups": c.group_count,
        "added_days": c.friend_since,
        "paid_days": c.last_paid_at,
        "message_days": c.last_message_at,
        "fact_days": c.last_fact_at,
        "tags": c.tag_ids,
        "groups_now": list(stays.values_list("group_id", flat=True)),
        "friends_of": list(c.contacts.filter(status="active").values_list("agent_id", flat=True)),
        "facts": list(c.facts.values_list("kind__code", "at", "properties")),
        "orders_list": list(c.orders.values_list("status", "start_on", "end_on")),
    }
