"""Who was erased stays away: late answers, late events and old talk open nobody anew."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from crm.archive.consent import note_approval
from crm.archive.messages import Said
from crm.archive.models import ArchivedMessage
from crm.archive.opening import Opened
from crm.archive.storing import open_sealed, store_messages
from crm.customers import actions as customers
from crm.customers.models import Contact, Customer, ErasedNumber
from crm.subjects.erasing import EraseRefused, erase
from crm.subjects.keeping import forget_old
from crm.wecom.archive import Sealed
from crm.wecom.records import ContactSeen, ExternalSeen, RelationSeen
from tests.factories import make_agent, make_friend, make_group

NOW = timezone.now()
EXTERNAL = "wmERASED0001"


@pytest.fixture
def agent(db):
    return make_agent()


@pytest.fixture
def former(agent):
    """Somebody who was a friend until an hour ago."""
    person = make_friend(agent, external_userid=EXTERNAL, name="阿珍")
    person.contacts.update(status="deleted_by_agent", ended_at=NOW - timedelta(hours=1))
    return person


def answer(agent) -> list[ContactSeen]:
    """What WeCom lists as long as they are friends."""
    relation = RelationSeen(agent.userid, NOW - timedelta(days=9))
    return [ContactSeen(ExternalSeen(EXTERNAL, "阿珍"), (relation,))]


def applied(agent, asked_at) -> None:
    with transaction.atomic():
        customers.apply_contacts(answer(agent), asked_at=asked_at, now=timezone.now())


def people() -> int:
    return Customer.unsafe_all.filter(external_userid=EXTERNAL).count()


def test_an_answer_from_before_the_erasure_brings_nobody_back(agent, former):
    erase(former.pk, now=NOW)
    applied(agent, NOW - timedelta(hours=2))
    assert (people(), Contact.unsafe_all.count()) == (0, 0)
    # Who becomes a friend again is one again.
    applied(agent, NOW + timedelta(seconds=1))
    assert (people(), Contact.unsafe_all.count()) == (1, 1)


def test_twin_without_the_memory_the_answer_brings_them_back(agent, former, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "customers.erased")
    erase(former.pk, now=NOW)
    applied(agent, NOW - timedelta(hours=2))
    assert people() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(6))
def test_erasing_while_a_sync_runs_leaves_all_or_nothing(_round):
    agent = make_agent()
    former = make_friend(agent, external_userid=EXTERNAL, name="阿珍")
    former.contacts.update(
        status="deleted_by_agent", ended_at=NOW - timedelta(hours=1), synced_at=NOW
    )
    asked_at, start, said = timezone.now(), threading.Barrier(2), []

    def sync() -> None:
        start.wait()
        applied(agent, asked_at)
        connection.close()

    def ask() -> None:
        start.wait()
        try:
            erase(former.pk, now=timezone.now())
            said.append("erased")
        except EraseRefused:
            said.append("refused")
        connection.close()

    threads = [threading.Thread(target=one) for one in (sync, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Whose friend they are again by then is not erased; who is erased is gone for good.
    expected = 0 if said == ["erased"] else 1
    assert people() == expected
    assert Contact.unsafe_all.filter(customer__external_userid=EXTERNAL).count() == expected


def test_events_that_come_late_bring_nobody_back(agent, former):
    erase(former.pk, now=NOW)
    pair = {"external_userid": EXTERNAL, "userid": agent.userid, "now": NOW}
    before = NOW - timedelta(minutes=5)
    with transaction.atomic():
        customers.note_friend_added(at=before, listed_since=None, **pair)
        customers.note_message_received(at=before, **pair)
        customers.end_contact(at=before, status=Contact.Status.DELETED_BY_CUSTOMER, **pair)
        note_approval(at=before, **pair)
    assert people() == 0


def said(seq: int, sender: str, receivers: tuple[str, ...], room: str = "", minutes=-5) -> Opened:
    message = Said(
        msgid=f"m{seq}", action="send", kind="text", sender=sender, receivers=receivers, room=room,
        said_at=NOW + timedelta(minutes=minutes), text="您好",
    )  # fmt: skip
    content = {"from": sender, "tolist": list(receivers), "text": {"content": "您好"}}
    return Opened(Sealed(seq, message.msgid, 1, "", ""), message, content)


def kept(batch) -> list[str]:
    with transaction.atomic():
        store_messages(batch, now=NOW + timedelta(minutes=10))
    return sorted(ArchivedMessage.unsafe_all.values_list("msgid", flat=True))


def test_talk_from_before_is_not_kept_and_others_keep_theirs(agent, former):
    group, other = make_group(agent), make_friend(agent, external_userid="wmOTHER00001")
    erase(former.pk, now=NOW)
    batch = [
        said(1, EXTERNAL, (agent.userid,)),
        said(2, agent.userid, (EXTERNAL,)),
        said(3, EXTERNAL, (agent.userid, "wmOTHER00001"), group.chat_id),
        said(4, "wmOTHER00001", (agent.userid, EXTERNAL), group.chat_id),
        said(5, "wmOTHER00001", (agent.userid,)),
    ]
    assert kept(batch) == ["m4", "m5"]
    talk = ArchivedMessage.unsafe_all.get(msgid="m4")
    assert talk.receivers == [agent.userid, "erased"]
    assert talk.content["tolist"] == [agent.userid, "erased"]
    assert talk.customer == other
    assert people() == 0
    # What is said after it is a new acquaintance.
    assert kept([said(6, EXTERNAL, (agent.userid,), minutes=5)]) == ["m4", "m5", "m6"]
    assert people() == 1


def test_what_was_sealed_then_is_dropped_when_it_is_opened(agent, former):
    row = ArchivedMessage.unsafe_all.create(
        seq=1, msgid="m1", pulled_at=NOW, said_at=NOW, sealed={"seq": 1}, content=None
    )
    erase(former.pk, now=NOW)
    with transaction.atomic():
        open_sealed([(row, said(1, EXTERNAL, (agent.userid,)))], now=NOW)
    assert not ArchivedMessage.unsafe_all.exists()
    assert people() == 0


def test_the_memory_holds_no_number_and_fades(agent, former):
    erase(former.pk, now=NOW)
    assert EXTERNAL not in ErasedNumber.objects.get().digest
    forget_old(now=NOW + timedelta(days=29))
    assert ErasedNumber.objects.exists()
    forget_old(now=NOW + timedelta(days=31))
    assert not ErasedNumber.objects.exists()
