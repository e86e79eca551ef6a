"""In the scene or not, and how things stood when a send was planned."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.rfm.layers import RfmQuestion, people
from crm.agents.access import Role
from crm.audiences.actions import freeze_audience
from crm.gate.models import SceneRule
from crm.gate.scene import CODE
from crm.outreach import actions
from crm.outreach.content import SendContent, SendRejected
from crm.outreach.models import MassSend
from crm.outreach.planning import dry_run
from crm.shared.times import local_day
from tests.factories import make_agent, make_fact, make_friend, make_order, make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def operator(client):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def friends():
    """Two who showed a need lately, one long ago, one never."""
    agent = make_agent()
    four = [make_friend(agent, known_since=NOW - timedelta(days=400)) for _n in range(4)]
    make_fact(four[0], "message_received", NOW - timedelta(days=3), agent_id=agent.pk)
    make_fact(four[1], "route_viewed", NOW - timedelta(days=29))
    make_fact(four[2], "moment_liked", NOW - timedelta(days=31))
    make_fact(four[3], "message_sent", NOW - timedelta(days=1), agent_id=agent.pk)
    return four


def drafted(by, friends) -> MassSend:
    audience = freeze_audience(
        name="四位", customer_ids=[one.pk for one in friends], by=by, now=NOW, source="test"
    )
    content = SendContent(
        title="早安", text="早", audience_id=audience.pk, send_at=NOW + timedelta(days=1)
    )
    return actions.draft_send(content=content, by=by, now=NOW)


def submitted(send: MassSend, by) -> MassSend:
    return actions.submit_send(send_id=send.pk, version=send.version, by=by, now=timezone.now())


def rule(**given) -> None:
    SceneRule.objects.create(code=CODE, valid_from=NOW - timedelta(minutes=1), **given)


def test_who_is_outside_is_told_before_counted_and_listed(client, operator, friends):
    draft = drafted(operator, friends)
    dry = dry_run(send_at=draft.send_at, now=NOW, audience_id=draft.audience_id)
    assert (dry.reached, dry.outside) == (4, 2)
    send = submitted(draft, operator)
    kept = dict(send.recipients.values_list("customer_id", "in_scene"))
    assert kept == dict(zip((one.pk for one in friends), (True, True, False, False), strict=True))
    page = client.get(reverse("crm:outreach:detail", args=[send.pk]), {"scene": "out"})
    assert (page.context["tally"].outside, page.context["tally"].judged) == (2, 4)
    assert {row.customer for row, _why in page.context["rows"]} == set(friends[2:])
    send.recipients.update(state="done")
    MassSend.unsafe_all.update(send_at=NOW - timedelta(days=1))
    told = client.get(reverse("crm:outreach:rules"))
    assert (told.context["reached"], told.context["outside"]) == (4, 2)
    assert "50" in told.content.decode()


@pytest.mark.parametrize(
    ("most", "is_refused"), [(49, True), (50, False), (0, True), (None, False)]
)
def test_a_cap_keeps_a_send_from_reaching_too_many_outside(operator, friends, most, is_refused):
    rule(most_percent=most)
    send = drafted(operator, friends)
    if not is_refused:
        assert submitted(send, operator).state == MassSend.State.WAITING
        return
    with pytest.raises(SendRejected, match="2 人近 30 天") as refused:
        submitted(send, operator)
    assert refused.value.field == "audience"
    send.refresh_from_db()
    assert send.state == MassSend.State.DRAFT
    assert not send.recipients.exists()


def test_the_days_of_the_rule_decide(operator, friends):
    rule(days=10)
    send = submitted(drafted(operator, friends), operator)
    assert send.recipients.filter(in_scene=True).get().customer == friends[0]


def test_layer_and_stage_stay_as_they_were_and_results_are_told_by_them(client, operator, friends):
    for friend, cents in zip(friends[:2], (900_000, 100_000), strict=True):
        make_order(friend, amount_cents=cents, paid_at=NOW - timedelta(days=5))
    type(friends[0]).unsafe_all.filter(pk=friends[0].pk).update(stage="warmth")
    send = submitted(drafted(operator, friends), operator)
    kept = {row.customer_id: row for row in send.recipients.all()}
    question = RfmQuestion(local_day(NOW))
    for layer in {row.layer for row in kept.values()}:
        expected = {pk for pk, row in kept.items() if row.layer == layer}
        assert set(people(question, user=operator, layer=layer)) == expected
    before = {pk: (row.layer, row.stage) for pk, row in kept.items()}
    assert before[friends[0].pk][1] == "warmth"
    for friend in friends:
        make_order(friend, amount_cents=5_000_000, paid_at=NOW - timedelta(minutes=1))
        type(friend).unsafe_all.filter(pk=friend.pk).update(stage="fatigue")
    MassSend.unsafe_all.update(state="sent", approved_hash="x", content_hash="x", send_at=NOW)
    make_fact(
        friends[0],
        "message_received",
        NOW + timedelta(hours=1),
        agent_id=kept[friends[0].pk].agent_id,
    )
    page = client.get(reverse("analytics:results:send", args=[send.pk]))
    told = {row.label: row.people.value for row in page.context["layers"]}
    assert sum(told.values()) == 4
    for row in page.context["layers"]:
        opened = client.get(row.people.href)
        assert opened.context["page"].total == row.people.value
        for number, _share in row.cells:
            assert client.get(number.href).context["page"].total == number.value
    again = {row.customer_id: (row.layer, row.stage) for row in send.recipients.all()}
    assert again == before
