"""Data assets: counts that open into exactly their people, and values as old as they are."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.assets.measuring import ASSETS, measure, people
from analytics.segments.models import Segment
from crm.agents.access import Role
from crm.archive.models import ArchiveConsent
from crm.customers.actions import refresh_customers
from crm.customers.models import Customer
from crm.fields.actions import set_values
from crm.fields.models import Field
from crm.outreach.models import OptOut
from tests.factories import make_agent, make_department, make_fact, make_friend, make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now()
PAGE = "analytics:assets:assets"


@pytest.fixture
def agent():
    return make_agent(department=make_department(parent=make_department()))


@pytest.fixture
def operator(client):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def known(agent, days: int = 100, **given) -> Customer:
    return make_friend(agent, known_since=NOW - timedelta(days=days), **given)


def test_every_number_opens_into_its_people_and_both_sides_are_the_whole(client, operator, agent):
    field = Field.objects.create(key="diet", label="忌口", kind="text")
    one, two, three = (known(agent, city=city) for city in ("上海", "", "北京"))
    set_values(customer=two, values={"diet": "花生"}, source="api", by=operator, now=NOW)
    ArchiveConsent.objects.create(
        customer=one, agent=agent, told_by="list", agreed=True, decided_at=NOW
    )
    ArchiveConsent.objects.create(
        customer=two, agent=agent, told_by="list", agreed=False, decided_at=NOW
    )
    OptOut.unsafe_all.create(customer=three, since=NOW)
    make_fact(two, "message_received", NOW - timedelta(days=9))
    make_fact(three, "message_received", NOW - timedelta(days=400))
    refresh_customers([one.pk, two.pk, three.pk], NOW)
    page = client.get(reverse(PAGE))
    counts = {line.code: (line.held, line.lacking) for line, *_both in page.context["rows"]}
    assert counts["city"] == (2, 1)
    assert counts["field.diet"] == (1, 2)
    assert counts["consent"] == (1, 2)
    assert counts["marketing"] == (2, 1)
    assert counts["history"] == (1, 2)
    assert len(counts) == len(ASSETS) + 1
    for line, held, lacking in page.context["rows"]:
        sides = [set(people(operator, None, line.code, held=side)) for side in (True, False)]
        assert [len(side) for side in sides] == [held.value, lacking.value]
        assert sides[0] | sides[1] == {one.pk, two.pk, three.pk}
        for number in (held, lacking):
            assert client.get(number.href).context["page"].total == number.value
    assert field.pk


def test_a_value_is_as_old_as_the_last_word_that_changed_it(operator, agent):
    for days, city in ((300, "上海"), (200, "北京"), (100, "")):
        known(agent, days=days, city=city)

    def age() -> int:
        line = next(line for line in measure(operator, None, now=NOW).lines if line.code == "city")
        return round((NOW - line.median_at) / timedelta(days=1))

    assert age() == 300
    Customer.unsafe_all.filter(city="上海").update(name="别的名字")  # Nobody spoke of cities.
    assert age() == 300
    Customer.unsafe_all.filter(city__in=["上海", "北京"]).update(city="杭州")
    assert age() == 0


def test_a_segment_and_the_scope_narrow_it(client, agent):
    mine = [known(agent, city=city) for city in ("上海", "", "")]
    known(make_agent(), city="上海")
    lead = make_user(Role.LEAD, departments=[agent.department])
    client.force_login(lead)
    rule = {"all": [{"field": "city", "in": ["上海"]}]}
    segment = Segment.unsafe_all.create(name="上海", rule=rule, owner=lead)
    everybody = client.get(reverse(PAGE)).context["found"]
    assert everybody.customers == len(mine)
    narrowed = client.get(reverse(PAGE), {"segment": segment.pk})
    assert narrowed.context["found"].customers == 1
    file = client.get(reverse("analytics:assets:export"), {"segment": segment.pk})
    text = b"".join(file.streaming_content).decode("utf-8-sig")
    assert len(text.splitlines()) == len(ASSETS) + 1
    for rubbish in ("x", "99999999"):
        assert client.get(reverse(PAGE), {"segment": rubbish}).status_code == 422


def test_nobody_at_all_is_no_error(client, operator):
    page = client.get(reverse(PAGE))
    assert page.status_code == 200
    assert page.context["found"].customers == 0
