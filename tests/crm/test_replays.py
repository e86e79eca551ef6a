"""A month judged again: equal to a plain reading of the rules, send after send."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse

from crm.agents.access import Role
from crm.customers.models import Customer
from crm.gate.models import Channel, ContentKind, TouchRule
from crm.jobs.models import Job
from crm.outreach.caps import SendSlot
from crm.outreach.models import MassBatch, MassRecipient, MassSend, Replay, ReplayStop
from crm.outreach.replaying import ReplayRefused, replay_month, run_replay, start_replay
from crm.shared.times import local_day
from tests.factories import make_agent, make_fact, make_friend, make_user

pytestmark = pytest.mark.django_db
Check = TouchRule.Check
MONTH = date(2026, 10, 1)
BEGUN = datetime(2026, 10, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass
class Past:
    """What was sent when to whom, and who answered."""

    people: list[Customer]
    sends: list[MassSend] = field(default_factory=list)
    received: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[int, list[datetime]] = field(default_factory=lambda: defaultdict(list))


def lived(dice: random.Random) -> Past:
    """Ten sends over six weeks to some of eight people; some of them answer now and then."""
    agent, author = make_agent(), make_user(Role.OPERATOR)
    stages = ["familiarity", "warmth", "fatigue"]
    people = [make_friend(agent, stage=dice.choice(stages)) for _n in range(8)]
    past = Past(people)
    for number in range(10):
        at = BEGUN + timedelta(days=dice.randint(-9, 30), hours=dice.randint(0, 12))
        kind = dice.choice(ContentKind.values)
        send = MassSend.unsafe_all.create(
            title=f"{number}",
            text="早",
            send_at=at,
            content_hash="x",
            state="sent",
            content_kind=kind,
            created_by=author,
        )
        batch = MassBatch.unsafe_all.create(send=send, agent=agent, number=0, size=1, state="done")
        for customer in dice.sample(people, dice.randint(2, 8)):
            row = MassRecipient.unsafe_all.create(
                send=send, customer=customer, agent=agent, batch=batch, state="done"
            )
            SendSlot.objects.create(
                customer=customer,
                bucket=f"{local_day(at):%Y-%m}",
                n=number + 1,
                cap=30,
                day=local_day(at),
                recipient=row,
                taken_at=at,
            )
            past.received[send.pk].append(customer.pk)
        past.sends.append(send)
    for customer in people:
        for _n in range(dice.randint(0, 2)):
            at = BEGUN + timedelta(days=dice.uniform(-5, 30))
            make_fact(customer, "message_received", at)
            past.answers[customer.pk].append(at)
    return past


def rules(dice: random.Random) -> list[TouchRule]:
    """One of each, drawn anew."""
    since = datetime(2026, 11, 1, tzinfo=UTC)
    kinds = dice.choice([[], ["promotion"], ["promotion", "service"]])
    drawn = [
        {"test": Check.OWN_CAP, "limit": dice.randint(1, 2), "content_kinds": kinds}
        | {"window": dice.choice(TouchRule.Window.values)},
        {"test": Check.IGNORED, "limit": dice.randint(2, 3), "days": dice.randint(7, 30)},
        {"test": Check.NEED, "days": dice.randint(10, 40), "signals": ["message_received"]}
        | {"content_kinds": ["service"]},
        {"test": Check.STAGE, "stages": ["fatigue"], "content_kinds": ["greeting"]},
    ]
    dice.shuffle(drawn)
    return [
        TouchRule.objects.create(code=f"r{n}", valid_from=since, **values)
        for n, values in enumerate(drawn)
    ]


def read_plainly(past: Past, in_force: list[TouchRule]) -> dict[tuple[int, int], str]:
    """(send, customer) → the rule that stops it, by walking through the month."""
    stage = dict(Customer.unsafe_all.values_list("pk", "stage"))
    touched: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    stopped = {}
    for send in sorted(past.sends, key=lambda one: (one.send_at, one.pk)):
        in_month = (send.send_at + timedelta(hours=8)).month == MONTH.month
        for who in past.received[send.pk]:
            no = next(
                (
                    rule.code
                    for rule in in_force
                    if rule.holds_for(send.content_kind)
                    and says_no(rule, send.send_at, touched[who], past.answers[who], stage[who])
                ),
                None,
            )
            if in_month and no:
                stopped[send.pk, who] = no
        for who in past.received[send.pk]:
            if (send.pk, who) not in stopped:
                touched[who].append((send.send_at, send.content_kind))
    return stopped


def says_no(rule, at: datetime, touched: list, answers: list, stage: str) -> bool:
    if rule.test == Check.STAGE:
        return stage in rule.stages
    if rule.test == Check.NEED:
        return not any(at - timedelta(days=rule.days) < one <= at for one in answers)
    if rule.test == Check.OWN_CAP:
        same = {"day": "%Y-%m-%d", "week": "%G-%V", "month": "%Y-%m"}[rule.window]
        here = f"{local_day(at):{same}}"
        kinds = rule.content_kinds or ContentKind.values
        return (
            sum(f"{local_day(t):{same}}" == here and kind in kinds for t, kind in touched)
            >= rule.limit
        )
    last = max((one for one in answers if one <= at), default=None)
    since = local_day(at) - timedelta(days=rule.days)
    unanswered = [t for t, _k in touched if local_day(t) >= since and t < at]
    return sum(last is None or t > last for t in unanswered) >= rule.limit


@pytest.mark.parametrize("seed", range(12))
def test_a_replay_is_the_same_as_walking_through_the_month(seed):
    dice = random.Random(seed)
    past, in_force = lived(dice), rules(dice)
    expected = read_plainly(past, in_force)
    replay = Replay.objects.create(month=MONTH, as_of=LATER, made_at=LATER)
    touches, stopped = replay_month(replay)
    rows = ReplayStop.unsafe_all.values_list("send_id", "customer_id", "rule")
    assert {(send, who): rule for send, who, rule in rows} == expected
    in_month = [s for s in past.sends if (s.send_at + timedelta(hours=8)).month == MONTH.month]
    assert touches == sum(len(past.received[send.pk]) for send in in_month)
    assert stopped == len(expected)


def test_the_drawn_months_have_every_rule_stop_somebody():
    """Else the comparison above would compare nothing."""
    seen = set()
    for seed in range(12):
        dice = random.Random(seed)
        past, in_force = lived(dice), rules(dice)
        tests = {rule.code: rule.test for rule in in_force}
        seen |= {tests[code] for code in read_plainly(past, in_force).values()}
        TouchRule.objects.all().delete()
    # Welcomes are not replayed, and the risk is tried with scores of its own.
    assert seen == set(Check.values) - {Check.AGAIN, Check.RISK}


def test_without_rules_or_before_the_month_there_is_nothing_to_replay():
    by = make_user(Role.OPERATOR)
    with pytest.raises(ReplayRefused) as refused:
        start_replay(month=MONTH, as_of=LATER, by=by, now=LATER)
    assert refused.value.field == "as_of"
    with pytest.raises(ReplayRefused) as refused:
        start_replay(month=date(2027, 1, 1), as_of=LATER, by=by, now=LATER)
    assert refused.value.field == "month"
    assert not Replay.objects.exists()


def test_the_page_replays_in_the_background_and_opens_into_people(client):
    dice = random.Random(3)
    past = lived(dice)
    rules(dice)
    TouchRule.objects.filter(code="r0").update(valid_from=datetime(2027, 1, 1, tzinfo=UTC))
    operator = make_user(Role.OPERATOR)
    client.force_login(operator)
    page = client.get(reverse("crm:outreach:rules")).content.decode()
    assert "2026-10" in page and "客户群、朋友圈和欢迎语不重演" in page
    assert all(f"<dt>{label}</dt>" in page for label in Channel.labels)
    asked = {"month": "2026-10", "as_of": datetime(2027, 1, 1, tzinfo=UTC).isoformat()}
    answer = client.post(reverse("crm:outreach:rules"), asked)
    replay = Replay.objects.get()
    assert answer.url == reverse("crm:outreach:replay", args=[replay.pk])
    assert run_replay(replay.job_id, now=LATER)
    assert not run_replay(replay.job_id, now=LATER)
    assert replay.job.__class__.unsafe_all.get(pk=replay.job_id).state == Job.State.DONE
    stop = ReplayStop.unsafe_all.select_related("customer").first()
    shown = client.get(answer.url + f"?rule={stop.rule}").content.decode()
    assert stop.customer.name in shown
    assert client.get(reverse("crm:outreach:replay_live", args=[replay.pk])).status_code == 286
    assert past.sends


def test_what_lies_outside_the_scope_is_neither_shown_nor_counted(client):
    dice = random.Random(3)
    lived(dice)
    rules(dice)
    replay = Replay.objects.create(month=MONTH, as_of=LATER, made_at=LATER)
    replay_month(replay)
    stranger = make_user(Role.LEAD)
    assert ReplayStop.unsafe_all.exists()
    assert not ReplayStop.objects.for_user(stranger).exists()
