"""What customers agreed to and declined: listed with source and time, within the scope."""

import pytest
from django.urls import reverse

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.archive.models import ArchiveConsent
from crm.outreach.models import OptOut
from tests import factories

pytestmark = pytest.mark.django_db
LIST = "crm:subjects:consents"


def decided(customer, agreed, **about):
    return ArchiveConsent.objects.create(
        customer=customer,
        agreed=agreed,
        decided_at="2026-11-01T02:00:00Z",
        told_by=ArchiveConsent.Told.EVENT,
        **about,
    )


@pytest.fixture
def manager(client):
    # Whoever leads a root department oversees everything, so this one has a parent.
    root = factories.make_department()
    agent = factories.make_agent(department=factories.make_department(parent=root))
    manager = factories.make_user(Role.MANAGER)
    manager.departments.set([agent.department])
    client.force_login(manager)
    return agent


def test_decisions_are_listed_with_whom_they_are_about_and_where_from(manager, client):
    yes, no = factories.make_friend(manager, name="林同意"), factories.make_friend(manager)
    decided(yes, True, agent=manager)
    decided(no, False, group=factories.make_group(manager, name="三亚同行"))
    page = client.get(reverse(LIST)).content.decode()
    assert "林同意" in page
    assert "客户群“三亚同行”" in page
    assert "回调" in page
    narrowed = client.get(reverse(LIST), {"agreed": "no"}).context["lines"]
    assert [customer.pk for customer, _line in narrowed] == [no.pk]
    assert not client.get(reverse(LIST), {"q": "没有这个人"}).context["lines"]
    assert len(client.get(reverse(LIST), {"agreed": "maybe"}).context["lines"]) == 2


def test_customers_of_others_are_neither_listed_nor_shown_nor_exported(manager, client):
    stranger_of = factories.make_agent(department=factories.make_department())
    stranger = factories.make_friend(stranger_of, name="别人的客户")
    decided(stranger, True, agent=stranger_of)
    assert not client.get(reverse(LIST)).context["lines"]
    card = reverse("crm:subjects:customer_consents", args=[stranger.pk])
    assert client.get(card).status_code == 404
    file = b"".join(client.get(reverse("crm:subjects:consents_export")))
    assert "别人的客户" not in file.decode()


def test_the_file_holds_what_is_listed_and_is_audited(manager, client):
    for name, agreed in (("林同意", True), ("周拒绝", False)):
        decided(factories.make_friend(manager, name=name), agreed, agent=manager)
    url = reverse("crm:subjects:consents_export")
    file = b"".join(client.get(url, {"agreed": "no"})).decode()
    assert "周拒绝" in file
    assert "林同意" not in file
    assert AuditEntry.objects.filter(action="consents.export").count() == 1


def test_the_profile_shows_marketing_first_and_then_the_archive(client):
    agent = factories.make_agent()
    client.force_login(factories.make_user(Role.AGENT, agent=agent))
    friend = factories.make_friend(agent)
    url = reverse("crm:subjects:customer_consents", args=[friend.pk])
    assert url in client.get(reverse("crm:customers:profile", args=[friend.pk])).content.decode()
    assert "没有同意或拒收的记录" in client.get(url).content.decode()
    decided(friend, True, agent=agent)
    OptOut.unsafe_all.create(customer=friend, since="2026-10-01T00:00:00Z")
    lines = client.get(url).context["lines"]
    assert [(line.words, line.source) for line in lines] == [
        ("已拒收", "系统"),
        ("同意存档", "回调"),
    ]


def test_an_agent_does_not_open_the_list_of_everybody(client):
    client.force_login(factories.make_user(Role.AGENT))
    assert client.get(reverse(LIST)).status_code == 403
