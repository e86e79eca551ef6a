"""The pages of handovers: a dry run first, what was seen is done, and scope on both sides."""

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.models import Agent
from crm.handover.models import Handover, State, Transfer
from crm.outbox.models import OutboxItem
from tests.factories import make_agent, make_department, make_friend, make_user

PLAN = "crm:handover:plan"


@pytest.fixture
def team(db):
    return make_department(parent=make_department())


@pytest.fixture
def giver(team):
    agent = make_agent(department=team, name="李婷")
    for n in range(5):
        make_friend(agent, name=f"客户{n}")
    return agent


@pytest.fixture
def takers(team):
    return [make_agent(department=team) for _n in range(2)]


@pytest.fixture
def lead(team, client):
    user = make_user(Role.LEAD, departments=[team])
    client.force_login(user)
    return user


def asked(giver, takers, **more) -> dict:
    return {"giver": giver.pk, "takers": [t.pk for t in takers], "split": "even"} | more


def test_the_dry_run_says_who_gets_how_many_and_changes_nothing(client, lead, giver, takers):
    page = client.get(reverse(PLAN), asked(giver, takers))
    shares = [(taker.pk, n) for taker, n, _groups in page.context["plan"].shares]
    assert shares == [(takers[0].pk, 3), (takers[1].pk, 2)]
    assert "李婷 的 5 位客户会移交" in page.content.decode()
    assert not Handover.unsafe_all.exists()


def test_a_whole_team_can_take_over_without_the_giver(client, lead, giver, takers, team):
    page = client.get(reverse(PLAN), asked(giver, [], team=team.pk))
    assert {taker for taker, _n, _g in page.context["plan"].shares} == set(takers)


def test_what_was_confirmed_is_queued_with_a_minute_to_stop_it(client, lead, giver, takers):
    answer = client.post(reverse(PLAN), asked(giver, takers, expected="5"))
    handover = Handover.unsafe_all.get()
    assert answer["Location"] == reverse("crm:handover:detail", args=[handover.pk])
    assert OutboxItem.unsafe_all.filter(due_at__gt=timezone.now()).count() == 2
    detail = client.get(answer["Location"])
    assert detail.context["progress"].count(State.PLANNED) == 5
    stopped = client.post(reverse("crm:handover:stop", args=[handover.pk]))
    assert stopped.status_code == 302
    assert set(Transfer.unsafe_all.values_list("state", flat=True)) == {State.KEPT}
    assert client.get(reverse("crm:handover:live", args=[handover.pk])).status_code == 286


@pytest.mark.parametrize("expected", ["4", "", "五", "9" * 30])
def test_a_number_that_is_not_the_one_seen_starts_nothing(client, lead, giver, takers, expected):
    answer = client.post(reverse(PLAN), asked(giver, takers, expected=expected))
    assert answer.status_code == 422
    assert not Handover.unsafe_all.exists()


def test_a_lead_hands_over_within_the_own_team_only(client, lead, giver, takers):
    foreign = make_agent(department=make_department())
    page = client.get(reverse(PLAN), asked(giver, [foreign]))
    assert page.context["form"].errors["takers"]
    make_friend(foreign)
    page = client.get(reverse(PLAN), asked(foreign, takers))
    assert page.context["form"].errors["giver"]


def test_refused_customers_are_tried_with_somebody_else(client, lead, giver, takers):
    client.post(reverse(PLAN), asked(giver, takers[:1], expected="5"))
    handover = Handover.unsafe_all.get()
    first, second = Transfer.unsafe_all.order_by("pk")[:2]
    Transfer.unsafe_all.filter(pk__in=[first.pk, second.pk]).update(
        state=State.REFUSED, reason_code="customer_refused"
    )
    page = client.get(reverse("crm:handover:detail", args=[handover.pk]) + "?state=refused")
    assert "客户在 24 小时内拒绝" in page.content.decode()
    retry = reverse("crm:handover:retry", args=[handover.pk])
    assert client.post(retry, {"takers": [takers[0].pk]}).status_code == 422
    assert client.post(retry, {}).status_code == 422
    assert client.post(retry, {"takers": [takers[1].pk], "ids": [first.pk]}).status_code == 302
    again = Transfer.unsafe_all.get(attempt=2)
    assert (again.customer_id, again.taker_id) == (first.customer_id, takers[1].pk)


def test_while_it_waits_the_new_agent_sees_a_card_and_the_old_one_the_customer(
    client, giver, takers
):
    """Rights of both: the profile stays with the giver until WeCom says it is done."""
    handover = Handover.unsafe_all.create(giver=giver)
    customer = giver.contacts.first().customer
    Transfer.unsafe_all.create(
        handover=handover, customer=customer, giver=giver, taker=takers[0], state=State.WAITING
    )
    profile = reverse("crm:customers:profile", args=[customer.pk])
    client.force_login(make_user(Role.AGENT, agent=takers[0]))
    page = client.get(reverse("crm:handover:list"))
    assert [row.customer for row in page.context["coming"]] == [customer]
    assert client.get(profile).status_code == 404
    detail = client.get(reverse("crm:handover:detail", args=[handover.pk]))
    assert [row["has_link"] for row in detail.context["rows"]] == [False]
    client.force_login(make_user(Role.AGENT, agent=giver))
    assert client.get(profile).status_code == 200
    client.force_login(make_user(Role.AGENT, agent=takers[1]))
    assert client.get(reverse("crm:handover:detail", args=[handover.pk])).status_code == 404


def test_who_left_customers_behind_is_named_first(client, lead, giver):
    Agent.unsafe_all.filter(pk=giver.pk).update(status="left", left_at=timezone.now())
    page = client.get(reverse("crm:handover:list"))
    assert [(agent.pk, agent.n) for agent in page.context["leavers"]] == [(giver.pk, 5)]
    assert "1 位离职员工的客户还没有人接替" in page.content.decode()


def test_a_parked_call_leads_to_its_handover(client, lead, giver, takers):
    client.post(reverse(PLAN), asked(giver, takers[:1], expected="5"))
    item = OutboxItem.unsafe_all.get()
    OutboxItem.unsafe_all.update(state="parked", evidence={"listed": 0, "wanted": 5})
    client.force_login(make_user(Role.OPERATOR))
    page = client.get(reverse("crm:outbox:detail", args=[item.pk])).content.decode()
    assert reverse("crm:handover:detail", args=[item.subject_id]) in page
    abandoned = client.post(reverse("crm:outbox:abandon", args=[item.pk]), {"reason": "没有发生"})
    assert abandoned.status_code == 302
    assert set(Transfer.unsafe_all.values_list("state", "reason_code")) == {
        (State.FAILED, "abandoned")
    }
