"""A message that both the chat archive and an event tell of is one fact, whichever came first."""

from datetime import timedelta

import pytest

from crm.customers.actions import note_message_received
from crm.timeline.models import Fact
from tests.factories import at, make_agent, make_fact, make_friend

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("milliseconds", "facts"), [(0, 1), (640, 1), (1_000, 2)])
def test_an_event_adds_nothing_to_what_the_archive_told(milliseconds, facts):
    agent = make_agent()
    customer = make_friend(agent)
    said_at = at(1) + timedelta(milliseconds=milliseconds)
    make_fact(customer, "message_received", said_at, agent_id=agent.pk, source="archive")
    note_message_received(
        external_userid=customer.external_userid, userid=agent.userid, at=at(1), now=at(2)
    )
    assert Fact.unsafe_all.filter(kind__code="message_received").count() == facts
