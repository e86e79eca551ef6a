"""Who does not want marketing: noted, listed, lifted with a reason, within the scope."""

import pytest
from django.urls import reverse

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.outreach.models import OptOut
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(client):
    agent = factories.make_agent()
    user = factories.make_user(Role.AGENT, agent=agent)
    client.force_login(user)
    return agent


def test_an_agent_notes_it_from_the_profile_and_it_is_audited(agent, client):
    friend = factories.make_friend(agent)
    url = reverse("crm:outreach:opt_out", args=[friend.pk])
    profile = client.get(reverse("crm:customers:profile", args=[friend.pk]))
    assert url in profile.content.decode()
    assert client.post(url, {"note": "别再发广告了"}).status_code == 302
    assert OptOut.unsafe_all.get().note == "别再发广告了"
    assert AuditEntry.objects.filter(action="customer.opt_out").count() == 1
    assert "别再发广告了" in client.get(reverse("crm:outreach:opt_outs")).content.decode()


def test_it_is_lifted_with_a_reason_only(agent, client):
    friend = factories.make_friend(agent)
    client.post(reverse("crm:outreach:opt_out", args=[friend.pk]))
    lift = reverse("crm:outreach:opt_in", args=[friend.pk])
    assert client.post(lift, {"reason": " "}).status_code == 422
    assert OptOut.unsafe_all.exists()
    assert client.post(lift, {"reason": "来电说想收三亚的"}).status_code == 302
    assert not OptOut.unsafe_all.exists()
    entry = AuditEntry.objects.get(action="customer.opt_in")
    assert "来电说想收三亚的" in str(vars(entry))


def test_whoever_says_it_again_keeps_the_first_date_and_the_latest_words(agent, client):
    friend = factories.make_friend(agent)
    url = reverse("crm:outreach:opt_out", args=[friend.pk])
    client.post(url, {"note": "少发点"})
    first = OptOut.unsafe_all.get()
    client.post(url, {"note": "一条也不要"})
    again = OptOut.unsafe_all.get()
    assert (again.since, again.note) == (first.since, "一条也不要")


def test_others_customers_are_neither_listed_nor_noted(agent, client):
    stranger = factories.make_friend(factories.make_agent(), name="别人的客户")
    OptOut.unsafe_all.create(customer=stranger, since="2026-11-01T00:00:00Z")
    assert "别人的客户" not in client.get(reverse("crm:outreach:opt_outs")).content.decode()
    assert client.get(reverse("crm:outreach:opt_out", args=[stranger.pk])).status_code == 404


def test_the_list_is_searched_and_taken_away(client):
    client.force_login(factories.make_user(Role.OPERATOR))
    for name in ("王小明", "李雷"):
        customer = factories.make_customer(name=name)
        OptOut.unsafe_all.create(customer=customer, since="2026-11-01T00:00:00Z", note=f"{name}说")
    url = reverse("crm:outreach:opt_outs")
    page = client.get(url, {"q": "wxm"}).content.decode()
    assert "王小明" in page
    assert "李雷" not in page
    got = client.get(reverse("crm:outreach:opt_outs_export"), {"q": "wxm"})
    text = b"".join(got).decode("utf-8-sig")
    assert "王小明" in text
    assert "王小明说" in text
    assert "李雷" not in text
