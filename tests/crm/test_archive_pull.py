"""Pulling from the sandbox's archive: what is kept, in which shape, and what it makes known."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from crm.archive import actions
from crm.archive.models import ArchiveConsent, ArchivedMessage, ArchiveProgress
from crm.customers.models import Contact, Customer
from crm.customers.queries import waiting_people
from crm.timeline.models import Fact
from crm.wecom.sandbox.archive_bodies import KINDS
from crm.wecom.sandbox.archive_crypto import make_pair
from tests.crm.archive_helpers import plain, pull, stored
from tests.factories import make_agent, make_contact, make_customer, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def friends(pair):
    """The pair as we know it."""
    customer = make_customer(external_userid=pair["external_userid"], is_friend=True)
    agent = make_agent(userid=pair["userid"])
    make_contact(customer, agent)
    return customer, agent


def facts() -> list[tuple]:
    return list(
        Fact.unsafe_all.filter(source="archive")
        .order_by("at", "pk")
        .values_list("kind__code", "agent__userid", "customer__external_userid")
    )


def test_every_kind_is_kept_whole_and_read(archive, pair, friends):
    archive.step("archive_all", **pair)
    pulled = pull()
    said = plain(archive)
    assert stored() == said
    assert (pulled.messages, pulled.caught_up, pulled.sealed) == (len(KINDS) + 1, True, 0)
    rows = {row.kind: row for row in ArchivedMessage.unsafe_all.all()}
    assert set(rows) == {*KINDS, "switch"}
    assert "的位置吗" in rows["text"].text
    assert "看这张图" in rows["mixed"].text
    assert rows["vote"].text.startswith("去哪里\n")
    assert rows["external_redpacket"].text == "一路顺风"
    assert rows["docmsg"].text.startswith(rows["docmsg"].content["doc"]["title"])
    assert rows["switch"].sender == pair["userid"]
    assert rows["note"].text == "" and rows["note"].content["note"]["paragraphs"]
    assert rows["text"].customer_id == friends[0].pk and rows["text"].agent_id == friends[1].pk


def test_a_recall_marks_the_message_it_takes_back(archive, pair, friends):
    archive.step("archive_all", **pair)
    pull()
    recall = ArchivedMessage.unsafe_all.get(kind="revoke")
    original = ArchivedMessage.unsafe_all.get(msgid=recall.revokes)
    assert original.revoked_at == recall.said_at
    assert original.content, "what was recalled stays evidence"


def test_pages_are_followed_and_a_second_pull_finds_nothing(archive):
    archive.step("archive_fill", messages=120)
    pulled = pull(limit=50)
    assert (pulled.calls, pulled.messages) == (3, 120)
    assert set(stored()) == set(plain(archive))
    assert (pull().messages, ArchivedMessage.unsafe_all.count()) == (0, 120)


def test_fewer_are_asked_for_when_an_answer_would_be_too_large(archive):
    archive.step("archive_fill", messages=60)
    archive.control("settings", archive_bytes=4000)
    assert pull().messages == 60
    assert set(stored()) == set(plain(archive))


def test_messages_become_facts_without_their_words(archive, pair, friends):
    archive.step("agree", **pair)
    archive.step("message", **pair, content="国庆三亚还有房吗？")
    archive.step("message", **pair, sender="member")
    archive.step("message", **pair, msgtype="image")
    assert pull().facts == 3
    who = (pair["userid"], pair["external_userid"])
    assert facts() == [
        ("message_received", *who),
        ("message_sent", *who),
        ("message_received", *who),
    ]
    assert not Fact.unsafe_all.filter(properties__icontains="三亚").exists()
    friends[0].refresh_from_db()
    assert friends[0].last_message_at == ArchivedMessage.unsafe_all.latest("said_at").said_at


def test_a_friend_without_reply_shows_up_as_waiting(archive, pair, friends):
    archive.step("agree", **pair)
    archive.step("message", **pair)
    pull()
    manager = make_user("operator")
    assert waiting_people(manager, limit=5)[0] == 1
    archive.step("message", **pair, sender="member")
    pull()
    assert waiting_people(manager, limit=5)[0] == 0


def test_people_whom_no_sync_has_told_of_get_rows(archive, pair):
    archive.step("agree", **pair)
    archive.step("message", **pair)
    pull()
    assert Customer.unsafe_all.get().external_userid == pair["external_userid"]
    assert not Contact.unsafe_all.exists()


def test_consent_follows_the_customers_last_word(archive, pair, friends):
    archive.step("agree", **pair)
    pull()
    assert ArchiveConsent.objects.get().agreed is True
    archive.control("clock", advance=5)
    archive.step("disagree", **pair)
    pull()
    assert ArchiveConsent.objects.get().agreed is False


def test_a_message_with_a_foreign_key_waits_sealed_until_the_key_comes(
    archive, pair, friends, callback_settings
):
    public, private = make_pair()
    archive.control("archive/key", public_key=public)
    archive.step("agree", **pair)
    archive.control("archive/key")  # The next version is one that we can open.
    archive.step("message", **pair)
    pulled = pull()
    assert (pulled.messages, pulled.sealed, pulled.facts) == (2, 1, 1)
    waiting = ArchivedMessage.unsafe_all.get(sealed__isnull=False)
    assert (waiting.problem, waiting.content) == ("archive_key", None)
    folder = Path(callback_settings.WECOM_ARCHIVE_KEYS)
    folder.mkdir()
    (folder / "2.pem").write_text(private)
    assert pull().reopened == 1
    assert stored() == plain(archive)
    assert ArchiveConsent.objects.get().agreed is True


def test_a_bad_day_of_the_source_is_written_down_and_over_at_the_next_pull(archive, pair):
    archive.step("agree", **pair)
    archive.fault("archive", "errcode", errcode=301053, count=1)
    archive.fault("archive", "drop", count=1)
    assert actions.pull_archive().error == "301053"
    progress = ArchiveProgress.objects.get()
    assert "会话存档" in progress.error_words
    assert actions.pull_archive().error == "10001"
    assert (pull().messages, ArchiveProgress.objects.get().error) == (1, "")


def test_lag_is_the_time_since_the_end_of_the_stream_was_seen(archive, pair):
    archive.step("agree", **pair)
    now = timezone.now()
    pull(clock=lambda: now)
    progress = ArchiveProgress.objects.get()
    assert progress.lag(now + timedelta(minutes=59)) <= progress.ALARM_AFTER
    assert progress.lag(now + timedelta(minutes=61)) > progress.ALARM_AFTER
    archive.fault("archive", "errcode", errcode=10001)
    actions.pull_archive(clock=lambda: now + timedelta(minutes=70))
    assert ArchiveProgress.objects.get().lag(now + timedelta(minutes=70)) > progress.ALARM_AFTER


def test_the_command_tells_what_it_pulled(archive, pair, capsys):
    archive.step("archive_all", **pair)
    call_command("pull_archive", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["messages"] == len(KINDS) + 1
    assert told["files"] == told["media"] > 8
    assert told["caught_up"] is True


def test_consents_can_be_asked_for_without_a_pull(archive, pair, friends, capsys):
    archive.step("agree", **pair)
    call_command("pull_archive", "--consents", "--json")
    assert json.loads(capsys.readouterr().out) == {"consents": 1}
    assert ArchiveConsent.objects.get().agreed is True
    assert not ArchivedMessage.unsafe_all.exists()
