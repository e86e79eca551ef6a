"""The control of a send: drawn at random before anybody is touched, and never written to."""

from collections import Counter

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.audiences.models import Audience, AudienceMember
from crm.customers.models import Customer
from crm.outreach import actions
from crm.outreach.content import SendContent, SendRejected
from crm.outreach.models import MassRecipient, MassSend, OptOut
from crm.outreach.planning import dry_run, plan
from tests import factories
from tests.crm.test_outreach import SendWorld

STAGES = Customer.Stage.values[:3]


def audience_of(customers) -> Audience:
    audience = Audience.unsafe_all.create(
        name="人群", frozen_at=timezone.now(), customer_count=len(customers)
    )
    AudienceMember.objects.bulk_create(
        AudienceMember(audience=audience, customer_id=pk) for pk in customers
    )
    return audience


def planned(audience: Audience, percent: int, salt: str = "") -> MassSend:
    send = actions.draft_send(
        content=SendContent(
            title="早安", send_at=timezone.now(), text="早", audience_id=audience.pk,
            control_percent=percent,
        ),
        by=factories.make_user(),
        now=timezone.now(),
    )  # fmt: skip
    if salt:
        send.control_salt = salt
    plan(send, now=timezone.now())
    return send


def held(send: MassSend) -> set[int]:
    rows = send.recipients.filter(reason="control")
    return set(rows.values_list("customer_id", flat=True))


@pytest.fixture
def people(db):
    agent = factories.make_agent()
    return [factories.make_friend(agent, stage=STAGES[n % 3]).pk for n in range(90)]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # People stay the same.
)
@given(percent=st.integers(0, 50), sizes=st.tuples(*[st.integers(0, 30)] * 3), salt=st.text("ab"))
def test_each_stage_gives_its_share_to_the_nearest_person(people, percent, sizes, salt):
    chosen = [pk for n in range(3) for pk in people[n::3][: sizes[n]]]
    if not chosen:
        return
    send = planned(audience_of(chosen), percent, salt or "c")
    stages = Counter(Customer.unsafe_all.filter(pk__in=held(send)).values_list("stage", flat=True))
    for stage, size in zip(STAGES, sizes, strict=True):
        assert abs(stages[stage] - size * percent / 100) < 1
    assert send.recipients.count() == len(chosen)


def test_the_draw_can_be_made_again_and_another_send_draws_others(people):
    audience = audience_of(people)
    first, second = planned(audience, 30), planned(audience, 30)
    before = held(first)
    plan(first, now=timezone.now())
    assert held(first) == before
    assert held(second) != before
    assert 0 < len(held(second) & before) < len(before)


def test_only_those_whom_nothing_else_keeps_out_are_drawn(people):
    for pk in people[:60]:
        OptOut.unsafe_all.create(customer_id=pk, since=timezone.now())
    send = planned(audience_of(people), 50)
    assert held(send) <= set(people[60:])
    assert abs(len(held(send)) - 15) <= 1
    reasons = Counter(send.recipients.values_list("reason", flat=True))
    assert reasons["opted_out"] == 60
    dry = dry_run(
        send_at=send.send_at, now=timezone.now(), audience_id=send.audience_id, control_percent=50
    )
    assert dry.planned == 90
    assert abs(dict(dry.left_out)["control"] - 15) <= 1


def test_nobody_of_the_control_is_written_to(sandbox, settings, db):
    world = SendWorld(sandbox, settings)
    send = world.sent(control_percent=40)
    drawn = set(
        Customer.unsafe_all.filter(pk__in=held(send)).values_list("external_userid", flat=True)
    )
    world.work()
    assert len(drawn) > 5
    assert not drawn & set(world.arrived("早安！"))
    states = Counter(send.recipients.values_list("state", flat=True))
    send.refresh_from_db()
    assert states.total() == send.planned
    skipped = send.recipients.filter(state=MassRecipient.State.SKIPPED, reason="control")
    assert skipped.count() == len(drawn)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"control_percent": 51}, "control_percent"), ({"control_percent": -1}, "control_percent"),
     ({"control_percent": 10, "target": "groups"}, "control_percent")],
)  # fmt: skip
def test_a_control_that_cannot_be_is_refused_at_its_field(people, change, field):
    content = {
        "title": "早安", "send_at": timezone.now(), "text": "早",
        "audience_id": audience_of(people).pk,
    } | change  # fmt: skip
    with pytest.raises(SendRejected) as refusal:
        actions.draft_send(
            content=SendContent(**content), by=factories.make_user(), now=timezone.now()
        )
    assert refusal.value.field == field
