"""The company's own fields in segments: the same people by hand, by SQL and by bitmaps."""

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.segments.actions import freeze_segment, save_segment
from analytics.segments.drafting import draft_from_rule, rule_body
from analytics.segments.index.building import refresh
from analytics.segments.models import Segment
from analytics.segments.parsing import RuleRefused, rule_from
from analytics.segments.queries import answer, setting_for, sql_ids
from analytics.segments.words import in_one_line, words_for
from crm.agents.access import Role
from crm.fields.actions import convert, set_values
from crm.fields.models import Field
from tests import factories

pytestmark = pytest.mark.django_db
OPTIONS = ["金卡", "银卡", "🏝️ 海岛"]
START = date(2026, 1, 1)


@pytest.fixture
def operator():
    return factories.make_user(Role.OPERATOR)


@pytest.fixture
def people(operator):
    """Values by customer, some of everything, and fields that nobody filled in."""
    dice, now = random.Random(5), timezone.now()
    for position, (key, kind) in enumerate(
        [("words", "text"), ("number", "number"), ("day", "date"), ("card", "choice"),
         ("likes", "choices"), ("vip", "yes_no")]
    ):  # fmt: skip
        Field.objects.create(key=key, label=key, kind=kind, options=OPTIONS, position=position)
    said = {}
    for _n in range(40):
        customer = factories.make_customer()
        values = {
            "words": dice.choice(["靠窗", "过道", "", "مرحبا"]),
            "number": dice.choice(["", "-3", "0", "7.25", "100"]),
            "day": dice.choice(["", str(START + timedelta(days=dice.randrange(60)))]),
            "card": dice.choice(["", *OPTIONS]),
            "likes": dice.sample(OPTIONS, dice.randrange(4)),
            "vip": dice.choice(["", "yes", "no"]),
        }
        said[customer.pk] = {key: value for key, value in values.items() if value}
        set_values(customer=customer, values=values, source="api", by=operator, now=now)
    refresh(now=now)
    return said


def random_condition(dice: random.Random) -> dict:
    key = dice.choice(["words", "number", "day", "card", "likes", "vip"])
    if dice.random() < 0.15:
        return {"own": key}
    if key == "number" and dice.random() < 0.7:
        low, high = sorted(dice.sample(["-3", "0", "7.25", "50"], 2), key=Decimal)
        return {"own": key} | dice.choice([{"from": low}, {"to": high}, {"from": low, "to": high}])
    if key == "day":
        return {"own": key, "from": str(START + timedelta(days=dice.randrange(60)))}
    pool = {"words": ["靠窗", "过道"], "number": ["0", "7.250"], "vip": ["yes", "no"]}
    values = pool.get(key, OPTIONS)
    return {"own": key, "in": dice.sample(values, dice.randrange(1, len(values)))}


def fits(condition: dict, values: dict) -> bool:
    """By hand."""
    value = values.get(condition["own"])
    if value is None:
        return False
    if condition["own"] == "number":
        number = Decimal(value)
        if "in" in condition:
            return number in [Decimal(one) for one in condition["in"]]
        low, high = condition.get("from"), condition.get("to")
        return (low is None or Decimal(low) <= number) and (high is None or number <= Decimal(high))
    if "from" in condition:
        return condition["from"] <= value
    if "in" not in condition:
        return True
    held = value if isinstance(value, list) else [value]
    return bool(set(held) & set(condition["in"]))


def holds(rule: dict, values: dict) -> bool:
    if "own" in rule:
        return fits(rule, values)
    how = next(iter(rule))
    found = [holds(part, values) for part in rule[how]]
    return {"all": all, "any": any}[how](found) if how != "none" else not any(found)


def test_random_rules_find_the_same_people_by_hand_by_sql_and_by_bitmaps(people, operator):
    dice = random.Random(9)
    for _n in range(150):
        how = dice.choice(["all", "any", "none"])
        rule = {how: [random_condition(dice) for _part in range(dice.randrange(1, 4))]}
        tree = rule_from(rule)
        by_hand = sorted(pk for pk, values in people.items() if holds(rule, values))
        found = answer(tree, user=operator)
        assert found.engine == "bitmaps"
        assert list(found.bits) == by_hand, rule
        assert sorted(sql_ids(tree, setting_for(tree), operator)) == by_hand, rule
        assert rule_from(rule_body(draft_from_rule(rule))) == tree
        assert in_one_line(words_for(tree, operator))


def test_what_is_written_down_now_counts_in_the_next_answer(people, operator):
    customer = factories.make_customer()
    rule = rule_from({"own": "card", "in": ["金卡"]})
    before = answer(rule, user=operator).count
    set_values(
        customer=customer, values={"card": "金卡"}, source="api", by=operator, now=timezone.now()
    )
    assert answer(rule, user=operator).count == before + 1


def test_a_field_that_changes_its_kind_is_said_and_nothing_is_made_of_it(people, operator):
    rule = {"all": [{"own": "number", "from": "1"}]}
    segment = save_segment(name="富裕", description="", rule=rule, by=operator, now=timezone.now())
    number = Field.objects.get(key="number")
    number.kind = "text"
    number.save()
    convert(number, by=operator, now=timezone.now())
    tree = rule_from(segment.rule)
    assert answer(tree, user=operator).count == 0
    assert "现在是文字" in in_one_line(words_for(tree, operator))
    none_of_it = {"none": [{"own": "number", "from": "1"}]}
    Segment.unsafe_all.filter(pk=segment.pk).update(rule=none_of_it)
    segment.refresh_from_db()
    with pytest.raises(RuleRefused, match="现在是文字") as refused:
        freeze_segment(segment=segment, name="所有人", by=operator, now=timezone.now())
    assert refused.value.field == "none[0]"
    with pytest.raises(RuleRefused):
        save_segment(name="新的", description="", rule=rule, by=operator, now=timezone.now())


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"own": "nope"}, "没有自定义字段"),
        ({"own": "card", "in": ["铜卡"]}, "没有选项"),
        ({"own": "card", "from": "1"}, "不能用范围"),
        ({"own": "number", "from": "x"}, "数字"),
        ({"own": "day", "to": "2027-02-29"}, "日期"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_refused_in_words(people, operator, condition, words):
    with pytest.raises(RuleRefused, match=words):
        save_segment(
            name="x", description="", rule={"all": [condition]}, by=operator, now=timezone.now()
        )


@pytest.mark.parametrize(
    "condition",
    [
        {"own": 3}, {"own": "card", "in": "金卡"}, {"own": "card", "in": [1]},
        {"own": "number", "in": ["1"], "from": "1"}, {"own": "number", "from": 1},
        {"own": "card", "or": 1},
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_before_anything_is_asked(condition):
    with pytest.raises(RuleRefused):
        rule_from({"all": [condition]})


def test_the_builder_offers_the_fields_and_keeps_what_was_chosen(client, people, operator):
    client.force_login(operator)
    page = client.get(reverse("analytics:segments:add")).content.decode()
    assert 'value="own:card"' in page
    form = {
        "name": "金卡客户", "n.type": "group", "n.how": "all", "n.size": "2",
        "n.0.type": "own", "n.0.own": "card", "n.0.in": ["金卡"],
        "n.1.type": "own", "n.1.own": "number", "n.1.from": "0",
    }  # fmt: skip
    size = client.post(reverse("analytics:segments:size"), form)
    expected = [
        pk for pk, values in people.items()
        if values.get("card") == "金卡" and Decimal(values.get("number", "-9")) >= 0
    ]  # fmt: skip
    assert size.context["size"]["count"] == len(expected)
    assert client.post(reverse("analytics:segments:add"), form).status_code == 302
    saved = Segment.unsafe_all.get(name="金卡客户")
    assert saved.rule["all"][0] == {"own": "card", "in": ["金卡"]}
    again = client.get(reverse("analytics:segments:edit", args=[saved.pk])).content.decode()
    assert 'name="n.0.in" value="金卡" checked' in again
