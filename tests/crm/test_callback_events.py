"""Every documented event is told by the sandbox and known here: handled, or declared needless."""

import pytest

from crm.agents.models import Agent, Department
from crm.archive.models import ArchiveConsent
from crm.callbacks import registry, tasks
from crm.callbacks.models import InboxEvent
from crm.callbacks.receiving import Message, parse_message
from crm.customers.models import Contact
from crm.shared.times import from_unix
from crm.sync.actions import sync_objects
from crm.timeline.models import Fact
from tests.crm.callback_contract import EVENTS, Told, _chats, as_directory
from tests.crm.wecom_helpers import event_xml, take, told
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch, wecom_sandbox):
    monkeypatch.setattr(tasks, "_silent_until", float("inf"))


def read(xml: str) -> Message:
    return parse_message(xml.encode(), received_at=from_unix(0))


def found(sandbox, wanted: Told) -> list[str]:
    """What the sandbox has told of this event."""
    return [
        xml
        for xml in told(sandbox)
        if (read(xml).event, read(xml).change_type) == (wanted.event, wanted.change_type)
        and (wanted.where is None or wanted.where in read(xml).fields.items())
    ]


def test_every_documented_event_is_handled_or_declared_needless():
    lacking = [str(one) for one in EVENTS if not registry.is_known(one.event, one.change_type)]
    assert lacking == []


def test_no_event_is_both_handled_and_needless():
    needless = {(event, change or "") for event, change in registry.NOTHING_TO_DO}
    assert not needless & registry.HANDLERS.keys()


def test_nothing_is_handled_that_is_not_documented():
    documented = {(one.event, one.change_type) for one in EVENTS}
    assert registry.HANDLERS.keys() <= documented


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_the_sandbox_tells_it_with_its_fields_and_it_is_taken(client, wecom_sandbox, event):
    event.act(wecom_sandbox)
    messages = eventually(lambda: found(wecom_sandbox, event))
    message = read(messages[0])
    assert set(event.fields) <= message.fields.keys()
    take(client, *messages)
    expected = "done" if (event.event, event.change_type) in registry.HANDLERS else "ignored"
    states = {(row.state, row.reason) for row in InboxEvent.objects.all()}
    # A friend who is half added is none yet.
    assert states <= {(expected, ""), ("ignored", "")}


def test_an_event_that_wecom_invents_is_kept_and_told_as_unknown(client, wecom_sandbox):
    take(client, event_xml(Event="change_external_weather", ChangeType="rain"))
    row = InboxEvent.objects.get()
    assert (row.state, row.reason) == ("ignored", "unknown_event")
    assert row.reason_words == "不认识的事件，已原样保存"


# What the newer handlers come to


def test_a_member_who_moves_is_in_the_other_department(client, wecom_sandbox):
    sync_objects(["departments", "members"])
    agent = Agent.unsafe_all.active().filter(department__isnull=False).first()
    other = Department.objects.exclude(pk=agent.department_id).first()
    wecom_sandbox.control("settings", contacts_sync=1)
    wecom_sandbox.step("member_move", userid=agent.userid, department=other.wecom_id)
    take(client, told(wecom_sandbox)[-1])
    agent.refresh_from_db()
    assert agent.department == other


def test_a_member_who_leaves_is_marked_as_left_since_then(client, wecom_sandbox):
    sync_objects(["departments", "members"])
    agent = Agent.unsafe_all.active().first()
    wecom_sandbox.control("settings", contacts_sync=1)
    wecom_sandbox.step("member_leave", userid=agent.userid)
    take(client, told(wecom_sandbox)[-1])
    agent.refresh_from_db()
    assert agent.status == Agent.Status.LEFT
    assert agent.left_at == InboxEvent.objects.get().happened_at


def test_a_member_with_another_number_keeps_their_customers(client, wecom_sandbox):
    sync_objects()
    agent = Agent.unsafe_all.filter(contacts__status="active").first()
    before = Contact.unsafe_all.current().filter(agent=agent).count()
    wecom_sandbox.control("settings", contacts_sync=1)
    wecom_sandbox.step("member_rename", userid=agent.userid, new_userid="renamed")
    message = told(wecom_sandbox)[-1]
    take(client, message)
    assert Agent.unsafe_all.get(pk=agent.pk).userid == "renamed"
    sync_objects()
    assert Contact.unsafe_all.current().filter(agent=agent).count() == before
    take(client, message.replace("]]></NewUserID>", "]]></NewUserID><Again>1</Again>"))
    assert Agent.unsafe_all.filter(userid="renamed").count() == 1


def test_a_new_department_is_here_at_once(client, wecom_sandbox):
    as_directory("department_create", name="定制组")(wecom_sandbox)
    take(client, told(wecom_sandbox)[-1])
    assert Department.objects.filter(name="定制组", is_active=True).exists()


def test_a_consent_to_the_archive_is_written_down(client, wecom_sandbox):
    step = wecom_sandbox.step("agree")
    take(client, *[xml for xml in told(wecom_sandbox) if "msg_audit_approved" in xml])
    consent = ArchiveConsent.objects.get()
    assert consent.agreed
    assert consent.customer.external_userid == step["ExternalUserID"]


def test_a_message_that_names_nobody_is_resolved_by_its_key(client, wecom_sandbox):
    _chats(3)(wecom_sandbox)
    take(client, *[xml for xml in told(wecom_sandbox) if "message_from_customer" in xml])
    fact = Fact.unsafe_all.get(kind__code="message_received")
    assert fact.customer.external_userid


def test_a_key_that_ran_out_is_said_so_and_not_retried(client, wecom_sandbox):
    _chats(3)(wecom_sandbox)
    wecom_sandbox.control("clock", advance=3600)
    take(client, *[xml for xml in told(wecom_sandbox) if "message_from_customer" in xml])
    row = InboxEvent.objects.get()
    assert (row.state, row.reason, row.attempts) == ("done", "stale_key", 1)


def test_the_bell_of_the_archive_rings_for_a_pull(client, wecom_sandbox, monkeypatch):
    pulls = []
    monkeypatch.setattr(tasks, "_silent_until", 0.0)
    monkeypatch.setattr(tasks.work_inbox, "apply_async", lambda *_a, **_k: None)
    monkeypatch.setattr(tasks.archive.pull, "apply_async", lambda *_a, **_k: pulls.append(1))
    take(client, event_xml(Event="msgaudit_notify", AgentID=2000004))
    eventually(lambda: not tasks.is_ringing())
    take(client, event_xml(Event="subscribe"))
    eventually(lambda: not tasks.is_ringing())
    assert pulls == [1]
