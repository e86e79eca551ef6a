"""Variants of a script: drawn for a customer when their agent asks, once, and stopped safely."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from analytics.results.variant_judging import judge_variants
from crm.agents.access import Role
from crm.content.actions import MaterialContent, MaterialRefused, write
from crm.content.trying import propose, try_script
from crm.trials.models import Assignment, TrialArm
from crm.trials.variants import TrialPlan, TrialRefused, arm_for, assign, end_trial, stop_arm
from tests.factories import make_agent, make_fact, make_friend, make_user
from tests.waiting import eventually, somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    return make_user(Role.OPERATOR)


@pytest.fixture
def seller():
    user = make_user(Role.AGENT)
    user.agent = make_agent()
    user.save()
    return user


def script_of(by):
    content = MaterialContent(kind="script", tier="company", title="报价", text="您好，报价如下")
    return write(material=None, content=content, by=by, now=timezone.now())


def plan(**values) -> TrialPlan:
    given = {"title": "报价", "control_text": "您好，报价如下", "variants": ("早", "晚"),
             "control_percent": 20, "planned_people": 100}  # fmt: skip
    return TrialPlan(**given | values)


def tried(by, **values):
    script = script_of(by)
    try_script(material=script, plan=plan(**values), by=by, now=timezone.now())
    script.refresh_from_db()
    return script


def test_an_agent_sees_the_words_that_were_drawn_and_always_the_same(operator, seller, client):
    script, customer = tried(operator), make_friend(seller.agent)
    client.force_login(seller)
    detail = reverse("crm:content:detail", args=[script.pk])
    page = client.get(detail, {"customer": customer.pk})
    assert page.context["to_draw"]
    assert "material-text" not in page.content.decode()
    draw = reverse("crm:content:propose_words", args=[script.pk])
    for _n in range(2):
        assert client.post(draw, {"customer": customer.pk}).status_code == 302
    row = Assignment.unsafe_all.get()
    assert (row.customer_id, row.agent_id) == (customer.pk, seller.agent_id)
    shown = client.get(detail, {"customer": customer.pk}).context["shown"]
    assert shown == script.trial.arms.get(number=row.arm).text


def test_nobody_draws_for_customers_of_others_or_outside_a_trial(operator, seller, client):
    script = tried(operator)
    client.force_login(seller)
    draw = reverse("crm:content:propose_words", args=[script.pk])
    assert client.post(draw, {"customer": make_friend(make_agent()).pk}).status_code == 422
    assert client.post(draw, {}).status_code == 422
    end_trial(trial=script.trial, by=operator, now=timezone.now())
    assert client.post(draw, {"customer": make_friend(seller.agent).pk}).status_code == 422
    assert not Assignment.unsafe_all.exists()


def test_only_who_may_edit_begins_and_stops(operator, seller, client):
    script = script_of(operator)
    url = reverse("crm:content:trial", args=[script.pk])
    sent = {"variants": "早\n---\n晚", "control_percent": "20", "planned_people": "100"}
    client.force_login(seller)
    assert client.post(url, sent).status_code == 422
    client.force_login(operator)
    assert client.post(url, sent).status_code == 302
    assert client.post(url, sent).status_code == 422
    stop = reverse("crm:content:stop_trial", args=[script.pk])
    client.force_login(seller)
    assert client.post(stop, {"arm": "1"}).status_code == 422
    client.force_login(operator)
    assert client.post(stop, {"arm": "1"}).status_code == 302
    assert client.post(stop).status_code == 422
    assert client.post(stop, {"arm": "all"}).status_code == 302
    script.refresh_from_db()
    assert script.trial.ended_at


def test_words_that_may_not_be_said_cannot_be_tried(operator):
    script = script_of(operator)
    with pytest.raises(MaterialRefused) as refused:
        try_script(
            material=script, plan=plan(variants=("{{没有}}",)), by=operator, now=timezone.now()
        )
    assert refused.value.field == "variants"
    with pytest.raises(TrialRefused):
        propose(material=script, customer=make_friend(make_agent()), by=operator,
                now=timezone.now())  # fmt: skip


def test_results_are_told_by_variant(operator, seller):
    script = tried(operator, planned_people=50)
    start = timezone.now() - timedelta(days=9)
    for _n in range(60):
        customer = make_friend(seller.agent)
        arm = assign(trial=script.trial, customer_id=customer.pk, agent=seller.agent, now=start)
        if arm.number == 2:
            at = start + timedelta(hours=1)
            make_fact(customer, "message_received", at, agent_id=seller.agent_id)
    found = judge_variants(script.trial, user=operator, now=timezone.now())
    replied = {r.arm: r for r in found.report.results if r.outcome == "replied"}
    assert found.look == 5
    assert (replied["版本 2"].treatment.mean, replied["版本 1"].treatment.mean) == (1, 0)
    assert (replied["版本 2"].verdict, replied["版本 1"].verdict) == ("higher", "no_evidence")


def _assigned_while_stopping(operator) -> int:
    """The arm of a customer who would get the second, asked for while that is being stopped."""
    script = tried(operator)
    trial, arms = script.trial, list(script.trial.arms.all())
    agent = make_agent()
    friends = (make_friend(agent) for _n in range(50))
    customer = next(one for one in friends if arm_for(trial, arms, str(one.pk)).number == 2)
    stopped, may_commit, got = threading.Event(), threading.Event(), []

    def stop() -> None:
        with transaction.atomic():
            stop_arm(trial=trial, number=2, by=operator, now=timezone.now())
            stopped.set()
            may_commit.wait(20)
        connection.close()

    def ask() -> None:
        arm = assign(trial=trial, customer_id=customer.pk, agent=agent, now=timezone.now())
        got.append(arm.number)
        connection.close()

    threads = [threading.Thread(target=stop), threading.Thread(target=ask)]
    threads[0].start()
    assert stopped.wait(20)
    threads[1].start()
    eventually(lambda: bool(got) or somebody_waits_for_a_lock())
    may_commit.set()
    for thread in threads:
        thread.join()
    assert TrialArm.objects.get(trial=trial, number=2).stopped_at
    return got[0]


@pytest.mark.django_db(transaction=True)
def test_nobody_gets_an_arm_that_is_just_being_stopped(operator):
    assert _assigned_while_stopping(operator) in (0, 1)


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_lock_somebody_gets_the_stopped_arm(operator, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "trials.assign")
    assert _assigned_while_stopping(operator) == 2
