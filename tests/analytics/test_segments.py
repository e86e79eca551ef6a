"""Rules, answered by SQL, by bitmaps and by hand: always the same people."""

import json

import numpy as np
import pytest
from django.db import connection

from analytics.segments.bucketing import bucket_of, seed_of
from analytics.segments.index.building import refresh
from analytics.segments.models import Segment, SegmentDirty
from analytics.segments.parsing import RuleRefused, rule_from
from analytics.segments.queries import answer, matching, setting_for
from crm.agents.access import Role
from crm.agents.models import Agent
from crm.customers.models import Customer
from tests import factories
from tests.analytics.segment_oracle import answers
from tests.analytics.segment_world import NOW, World

pytestmark = pytest.mark.django_db


def saved(name: str, rule: dict) -> Segment:
    return Segment.unsafe_all.create(name=name, rule=rule)


def by_hand(world: World, rule: dict, people: list[dict]) -> list[int]:
    return [who["id"] for who in people if answers(rule, who, world.as_oracle())]


def by_sql(rule: dict) -> list[int]:
    tree = rule_from(rule)
    found = matching(tree, setting_for(tree, now=NOW), None)
    return sorted(found.values_list("pk", flat=True))


def by_bitmaps(rule: dict, user=None) -> list[int]:
    found = answer(rule_from(rule), user=user, now=NOW)
    assert found.engine == "bitmaps"
    return list(found.bits)


@pytest.fixture
def world():
    world = World(seed=11, people=60)
    base = saved(
        "常客", {"any": [{"field": "orders", "from": 2}, {"tags": "any", "ids": [world.tags[0]]}]}
    )
    nested = saved(
        "常客里的上海人", {"all": [{"segment": base.pk}, {"field": "city", "in": ["上海"]}]}
    )
    world.segments = {base.pk: base.rule, nested.pk: nested.rule}
    return world


def test_random_rules_find_the_same_people_by_hand_by_sql_and_by_bitmaps(world):
    refresh(now=NOW)
    people = world.people()
    sizes = set()
    for _n in range(250):
        rule = world.rule()
        expected = by_hand(world, rule, people)
        assert by_sql(rule) == expected, json.dumps(rule, ensure_ascii=False)
        assert by_bitmaps(rule) == expected, json.dumps(rule, ensure_ascii=False)
        sizes.add(len(expected))
    assert len(sizes) > 30  # The rules really tell people apart.


def test_whoever_changed_is_in_the_next_answer_and_stays_there_after_a_refresh(world):
    refresh(now=NOW)
    for _round in range(12):
        for _n in range(4):
            world.change()
        people = world.people()
        rules = [world.rule() for _n in range(8)]
        expected = [by_hand(world, rule, people) for rule in rules]
        assert [by_bitmaps(rule) for rule in rules] == expected
        refresh(now=NOW)
        assert not SegmentDirty.objects.exists()
        assert [by_bitmaps(rule) for rule in rules] == expected
    refresh(now=NOW, everything=True)
    assert [by_bitmaps(rule) for rule in rules] == expected


def test_the_twin_that_forgets_who_changed_misses_them(world):
    """Without the list of changed customers a new tag would wait for the next refresh."""
    refresh(now=NOW)
    someone = Customer.unsafe_all.first()
    new = factories.make_tag().pk
    Customer.unsafe_all.filter(pk=someone.pk).update(tag_ids=[new])
    rule = {"tags": "any", "ids": [new]}
    assert by_bitmaps(rule) == [someone.pk]
    SegmentDirty.objects.all().delete()
    assert by_bitmaps(rule) == []


def test_a_lead_finds_own_customers_only(world):
    root = factories.make_department()
    team = factories.make_department(parent=root)
    Agent.unsafe_all.filter(pk=world.agents[0].pk).update(department=team)
    lead = factories.make_user(Role.LEAD, departments=[team])
    refresh(now=NOW)
    seen = set(Customer.objects.for_user(lead).values_list("pk", flat=True))
    assert 0 < len(seen) < len(world.ids)
    for _n in range(20):
        rule = world.rule()
        assert set(by_bitmaps(rule, lead)) == set(by_sql(rule)) & seen
    assert by_bitmaps({"all": []}, factories.make_user(Role.ADMIN)) == []


def test_before_the_first_refresh_sql_answers(world):
    found = answer(rule_from({"field": "orders", "from": 1}), user=None, now=NOW)
    assert found.engine == "sql"
    assert list(found.bits) == by_sql({"field": "orders", "from": 1})


def test_shares_are_as_large_as_asked_and_the_same_in_sql_and_numpy():
    ids = np.arange(1, 200_001, dtype=np.uint64)
    places = bucket_of(ids, seed_of("对照"))
    assert abs((places < 1_000).mean() - 0.1) < 0.003
    other = bucket_of(ids, seed_of("另一组")) < 1_000
    assert abs(((places < 1_000) & other).mean() - 0.01) < 0.001  # Salts are independent.
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, analytics_bucket(%s, id) from unnest(%s::bigint[]) as id",
            [seed_of("对照"), [1, 2, 77, 12_345, 4_294_967_295, 4_294_967_296, 2**40 + 7]],
        )
        rows = cursor.fetchall()
    again = bucket_of(np.array([pk for pk, _place in rows], np.uint64), seed_of("对照"))
    assert [place for _pk, place in rows] == again.tolist()


def test_a_circle_of_segments_is_refused(world):
    one = saved("一", {"all": []})
    two = saved("二", {"segment": one.pk})
    Segment.unsafe_all.filter(pk=one.pk).update(rule={"segment": two.pk})
    with pytest.raises(RuleRefused):
        answer(rule_from({"segment": one.pk}), user=None)
    with pytest.raises(RuleRefused):
        answer(rule_from({"segment": 999_999}), user=None)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ([], "rule"),
        ({"all": {}}, "all"),
        ({"all": [{"wrong": 1}]}, "all[0]"),
        ({"any": [{"all": [{"field": "age"}]}]}, "any[0].all[0].from"),
        ({"field": "shoe_size", "from": 1}, "field"),
        ({"field": "age", "from": 9, "to": 3}, "rule"),
        ({"field": "age", "from": "9"}, "from"),
        ({"field": "age", "from": True}, "from"),
        ({"field": "stage", "in": ["bored"]}, "in"),
        ({"field": "channel", "in": ["x"]}, "in"),
        ({"field": "city", "in": []}, "in"),
        ({"tags": "some", "ids": [1]}, "tags"),
        ({"tags": "any", "ids": [0]}, "ids"),
        ({"fact": "route_viewed"}, "days"),
        ({"fact": "route_viewed", "days": 3, "at_least": 9}, "at_least"),
        ({"fact": "route_viewed", "days": 3, "where": ["x"]}, "where"),
        ({"trip": "return", "from": 10, "to": 3}, "rule"),
        ({"bucket": [10, 10], "salt": "x"}, "bucket"),
        ({"bucket": [0, 10]}, "salt"),
        ({"segment": "x"}, "segment"),
        ({"field": "age", "from": 1, "sql": "drop"}, "sql"),
    ],
)
def test_a_rule_that_cannot_be_asked_names_its_place(body, place):
    with pytest.raises(RuleRefused) as refusal:
        rule_from(body)
    assert refusal.value.field == place


def test_a_rule_too_deep_or_too_long_is_refused():
    deep: dict = {"field": "orders", "from": 1}
    for _n in range(12):
        deep = {"all": [deep]}
    for body in (deep, {"any": [{"field": "orders", "from": 1}] * 300}):
        with pytest.raises(RuleRefused):
            rule_from(body)


def test_a_rule_survives_its_own_json(world):
    for _n in range(50):
        tree = rule_from(world.rule())
        assert rule_from(tree.as_json()) == tree
