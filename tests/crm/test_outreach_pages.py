"""Pages of mass sends, driven through HTTP: write, see who gets it, approve, stop."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.audiences.actions import freeze_audience
from crm.outbox.models import OutboxItem
from crm.outreach import actions
from crm.outreach.models import MassRecipient, MassSend
from tests.factories import make_agent, make_department, make_friend, make_group, make_user

pytestmark = pytest.mark.django_db
WALL = "%Y-%m-%dT%H:%M"


@pytest.fixture
def people():
    root = make_department(name="总部")
    agent = make_agent(department=root)
    friends = [make_friend(agent) for _ in range(3)]
    operator, manager = make_user(Role.OPERATOR), make_user(Role.MANAGER, departments=[root])
    ids = [friend.pk for friend in friends]
    audience = freeze_audience(name="老友", customer_ids=ids, by=operator, now=timezone.now())
    return {"agent": agent, "friends": friends, "audience": audience} | {
        "operator": operator,
        "manager": manager,
    }


def filled(people, **overrides) -> dict:
    later = timezone.localtime() + timedelta(hours=3)
    values = {"title": "国庆套餐", "target": "customers", "audience": people["audience"].pk}
    values |= {"text": "三亚机酒", "send_at": later.strftime(WALL), "content_kind": "promotion"}
    return values | overrides


def write(client, people, **overrides):
    client.force_login(people["operator"])
    return client.post(reverse("crm:outreach:new"), filled(people, then="submit", **overrides))


def approve(client, people, send):
    client.force_login(people["manager"])
    address = reverse("crm:outreach:approve", args=[send.pk])
    return client.post(address, {"content_hash": send.content_hash})


def test_a_send_is_written_approved_by_another_person_and_queued(client, people):
    assert write(client, people).status_code == 302
    send = MassSend.unsafe_all.get()
    assert (send.state, send.planned) == (MassSend.State.WAITING, 3)
    assert approve(client, people, send).status_code == 302
    item = OutboxItem.unsafe_all.get()
    assert (item.kind, item.state, item.due_at) == ("mass_send", "waiting", send.send_at)


def test_the_page_lists_everybody_with_state_and_reason(client, people):
    refused = people["friends"][0]
    actions.opt_out(customer=refused, note="", by=people["operator"], now=timezone.now())
    write(client, people)
    address = reverse("crm:outreach:detail", args=[MassSend.unsafe_all.get().pk])
    page = client.get(address, {"state": "skipped"}).content.decode()
    assert refused.name in page
    assert "不愿接收营销消息" in page
    assert people["friends"][1].name not in page
    assert people["friends"][1].name in client.get(address).content.decode()


def test_the_parts_add_up_to_what_was_planned(client, people):
    actions.opt_out(
        customer=people["friends"][0], note="", by=people["operator"], now=timezone.now()
    )
    write(client, people)
    page = client.get(reverse("crm:outreach:detail", args=[MassSend.unsafe_all.get().pk]))
    tally = page.context["tally"]
    assert tally.planned == 3 == sum(part.count for part in tally.parts)
    assert tally.waiting + tally.done + tally.parked + tally.skipped + tally.failed == 3


def test_a_dry_run_says_who_gets_it_and_writes_nothing(client, people):
    client.force_login(people["operator"])
    actions.opt_out(
        customer=people["friends"][0], note="", by=people["operator"], now=timezone.now()
    )
    page = client.post(reverse("crm:outreach:plan"), filled(people)).content.decode()
    assert "2</strong>" in page
    assert "不愿接收营销消息" in page
    assert people["agent"].name in page
    assert not MassRecipient.unsafe_all.exists()


def test_groups_are_chosen_by_name(client, people):
    group = make_group(people["agent"])
    write(client, people, target="groups", audience="", groups=[group.pk])
    assert MassRecipient.unsafe_all.get().group == group


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"text": "常" * 1400}, "text"),
        ({"text": ""}, "text"),
        ({"audience": ""}, "audience"),
        ({"link_url": "javascript:alert(1)", "link_title": "x"}, "link_url"),
        ({"send_at": "2020-01-01T10:00"}, "send_at"),
        ({"send_at": "gestern"}, "send_at"),
    ],
)
def test_what_cannot_stand_is_refused_at_its_field(client, people, wrong, field):
    page = write(client, people, **wrong)
    assert page.status_code == 422
    assert field in page.context["form"].errors
    assert not MassSend.unsafe_all.exists()


def test_the_content_that_was_not_seen_is_not_approved(client, people):
    write(client, people)
    send = MassSend.unsafe_all.get()
    send.content_hash = "f" * 64
    assert approve(client, people, send).status_code == 409
    assert not OutboxItem.unsafe_all.exists()


def test_stopping_takes_back_what_waits(client, people):
    write(client, people)
    send = MassSend.unsafe_all.get()
    approve(client, people, send)
    client.force_login(people["operator"])
    client.post(reverse("crm:outreach:stop", args=[send.pk]))
    assert OutboxItem.unsafe_all.get().state == OutboxItem.State.SKIPPED
    states = MassRecipient.unsafe_all.values_list("state", "reason")
    assert set(states) == {("skipped", "stopped")}
    again = client.post(reverse("crm:outreach:stop", args=[send.pk]))
    assert again.status_code == 422


def test_an_edit_by_two_people_at_once_is_told(client, people):
    write(client, people)
    send = MassSend.unsafe_all.get()
    address = reverse("crm:outreach:edit", args=[send.pk])
    assert client.post(address, filled(people, version=send.version)).status_code == 302
    assert client.post(address, filled(people, version=send.version)).status_code == 409


def test_agents_do_not_open_sends(client, people):
    client.force_login(make_user(Role.AGENT, agent=people["agent"]))
    assert client.get(reverse("crm:outreach:list")).status_code == 403


def test_a_parked_batch_shows_its_candidates(client, people):
    write(client, people)
    approve(client, people, MassSend.unsafe_all.get())
    item = OutboxItem.unsafe_all.get()
    item.state = OutboxItem.State.PARKED
    item.evidence = {"listed": 2, "candidates": [{"msgid": "msg7", "text": "三亚机酒"}]}
    item.save()
    client.force_login(people["operator"])
    page = client.get(reverse("crm:outbox:detail", args=[item.pk])).content.decode()
    assert "msg7" in page


@pytest.mark.parametrize("target", ["customers", "groups"])
@pytest.mark.parametrize(("state", "leads"), [("sent", True), ("draft", False)])
def test_results_are_offered_where_there_are_any(client, people, target, state, leads):
    send = MassSend.unsafe_all.create(
        title="早安", target=target, send_at=timezone.now(), state=state, content_hash="-"
    )
    client.force_login(people["operator"])
    page = client.get(reverse("crm:outreach:detail", args=[send.pk])).content.decode()
    results = reverse("analytics:results:send", args=[send.pk])
    assert (f'"{results}"' in page) == leads
    assert client.get(results).status_code == 200
