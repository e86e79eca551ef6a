"""Reading the archive: by reviewers, with a reason, after consent, and never unseen."""

from datetime import timedelta
from itertools import count

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.archive.consent import note_consent
from crm.archive.media import media_path
from crm.archive.models import ArchivedMedia, ArchivedMessage, ArchiveReading
from crm.shared.times import local_day
from tests.factories import make_agent, make_customer, make_friend, make_group, make_user

pytestmark = pytest.mark.django_db
HOME = reverse("crm:archive:home")
_serial = count(1)


@pytest.fixture
def reviewer(client):
    user = make_user(Role.REVIEWER)
    client.force_login(user)
    return user


@pytest.fixture
def talk():
    """A customer who agreed, and the agent; three messages between them."""
    agent = make_agent(name="李婷")
    customer = make_friend(agent, name="王芳")
    agree(customer, agent)
    for words, by_customer in (("国庆三亚还有房吗？", True), ("有的", False), ("100%_好", True)):
        say(customer, agent, words, by_customer=by_customer)
    return customer, agent


def agree(customer, agent=None, *, agreed=True, group=None, days_ago=9.0) -> None:
    note_consent(
        customer_id=customer.pk,
        agent_id=agent and agent.pk,
        group_id=group and group.pk,
        agreed=agreed,
        decided_at=timezone.now() - timedelta(days=days_ago),
        told_by="message",
    )


def say(customer, agent, words, *, by_customer=True, minutes_ago=None, **more) -> ArchivedMessage:
    n = next(_serial)
    at = timezone.now() - timedelta(minutes=minutes_ago if minutes_ago is not None else 600 - n)
    row = {
        "seq": n,
        "msgid": f"{n}_external",
        "action": "send",
        "kind": "text",
        "sender": customer.external_userid if by_customer else agent.userid,
        "said_at": at,
        "pulled_at": at,
        "customer": customer,
        "agent": agent,
        "by_customer": by_customer,
        "text": words,
        "content": {"text": {"content": words}},
    }
    return ArchivedMessage.unsafe_all.create(**row | more)


def asked(customer=None, **more) -> dict:
    today = local_day(timezone.now())
    values = {"reason": "客户投诉 0712", "first": today - timedelta(days=6), "last": today}
    return values | ({"customer": customer.customer_no} if customer else {}) | more


def read(client, customer=None, **more):
    """What the reviewer sees after giving the reason."""
    return client.post(HOME, asked(customer, **more), follow=True)


def shown(response) -> list[str]:
    return [line.text for line in response.context["lines"]]


def test_a_reviewer_reads_a_conversation_in_its_order(client, reviewer, talk):
    response = read(client, talk[0])
    assert shown(response) == ["国庆三亚还有房吗？", "有的", "100%_好"]
    assert [line.who for line in response.context["lines"]] == ["王芳", "李婷", "王芳"]
    assert "no-store" in response["Cache-Control"]


def test_every_page_is_written_down_with_its_reason(client, reviewer, talk):
    address = read(client, talk[0]).redirect_chain[0][0]
    client.get(address)
    entries = AuditEntry.objects.filter(action="archive.read")
    assert [(e.actor, e.reason, e.details["customer"]) for e in entries] == [
        (reviewer, "客户投诉 0712", talk[0].pk)
    ] * 2
    assert not AuditEntry.objects.filter(details__icontains="三亚").exists()


@pytest.mark.parametrize(
    "decided",
    [[], [False], [True, False]],
    ids=["never asked", "refused", "agreed, then refused"],
)
def test_without_consent_there_is_nothing_not_even_by_search(client, reviewer, decided):
    agent = make_agent()
    customer = make_friend(agent)
    say(customer, agent, "国庆三亚还有房吗？")
    for age, agreed in enumerate(decided):
        agree(customer, agent, agreed=agreed, days_ago=5 - age)
    assert shown(read(client, customer)) == []
    assert shown(read(client, words="三亚")) == []
    assert shown(read(client, agent=agent.pk)) == []


def test_consent_for_one_agent_opens_nothing_of_another(client, reviewer, talk):
    say(talk[0], make_agent(), "悄悄话")
    assert "悄悄话" not in shown(read(client, talk[0]))


def test_in_a_group_one_customers_consent_opens_only_their_own_words(client, reviewer):
    agent, group = make_agent(), make_group(name="三亚五日")
    willing, silent = make_customer(external_userid="wmA"), make_customer(external_userid="wmB")
    agree(willing, group=group)
    for customer, words in ((willing, "集合在哪里"), (silent, "我不说")):
        say(customer, agent, words, room=group.chat_id, group=group)
    assert shown(read(client, group="三亚五日")) == ["集合在哪里"]


def test_what_is_still_sealed_is_not_there(client, reviewer, talk):
    say(*talk, "", sealed={"seq": 1}, kind="", content=None)
    ArchivedMessage.unsafe_all.filter(sealed__isnull=False).update(customer=None)
    assert len(shown(read(client, agent=talk[1].pk))) == 3


def test_words_are_searched_for_as_they_stand(client, reviewer, talk):
    say(talk[0], talk[1], "100 分好")
    assert shown(read(client, words="100%_")) == ["100%_好"]
    assert shown(read(client, words="\\")) == []


def test_days_outside_the_range_are_left_out(client, reviewer, talk):
    say(talk[0], talk[1], "上个月的话", minutes_ago=40 * 1440)
    assert "上个月的话" not in shown(read(client, talk[0]))
    long_ago = local_day(timezone.now()) - timedelta(days=45)
    assert "上个月的话" in shown(read(client, talk[0], first=long_ago))


def test_pages_show_every_message_once(client, reviewer, talk):
    at = timezone.now() - timedelta(hours=1)
    for number in range(120):
        say(talk[0], talk[1], f"第 {number} 句", said_at=at)
    response, seen = read(client, talk[0]), []
    address = response.redirect_chain[0][0]
    while True:
        seen += shown(response)
        if not (after := response.context["page"].after):
            break
        response = client.get(address, {"after": after})
    assert len(seen) == len(set(seen)) == 123


@pytest.mark.parametrize("role", sorted(set(Role.values) - {Role.REVIEWER}))
def test_no_other_role_comes_near(client, talk, role):
    client.force_login(make_user(role))
    response = read(client, talk[0])
    assert response.status_code == 403
    assert not ArchiveReading.unsafe_all.exists()


def test_another_reviewers_reading_is_not_there(client, reviewer, talk):
    address = read(client, talk[0]).redirect_chain[0][0]
    client.force_login(make_user(Role.REVIEWER))
    assert client.get(address).status_code == 404


def test_a_reading_ends_after_half_an_hour(client, reviewer, talk):
    address = read(client, talk[0]).redirect_chain[0][0]
    ArchiveReading.unsafe_all.update(began_at=timezone.now() - timedelta(minutes=31))
    response = client.get(address)
    assert response.status_code == 410
    assert "三亚" not in response.content.decode()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "看"}, "reason"),
        ({"customer": ""}, "__all__"),
        ({"customer": "没有这个人"}, "customer"),
        ({"group": "没有这个群"}, "group"),
        ({"first": "2026-13-01"}, "first"),
        ({"last": "2020-01-01"}, "last"),
        ({"first": "2020-01-01"}, "first"),
        ({"words": "字" * 65}, "words"),
    ],
)
def test_a_wrong_wish_is_refused_at_its_field_and_opens_nothing(
    client, reviewer, talk, wrong, field
):
    response = client.post(HOME, asked(talk[0]) | wrong)
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert not ArchiveReading.unsafe_all.exists()


def test_a_name_that_several_people_bear_asks_for_the_number(client, reviewer, talk):
    namesake = make_customer(name="王芳")
    for person in (talk[0], namesake):
        person.search = ["王芳"]
        person.save(update_fields=["search"])
    response = client.post(HOME, asked() | {"customer": "王芳"})
    assert namesake.customer_no in response.context["form"].errors["customer"][0]


@pytest.fixture
def lesser_role():
    """The application's rights without those of the owner of the tables."""
    with connection.cursor() as cursor:
        cursor.execute("create role changke_lesser")
        cursor.execute(
            "grant select, insert, update, delete on all tables in schema public to changke_lesser"
        )
        cursor.execute("grant usage on all sequences in schema public to changke_lesser")
        cursor.execute("set local role changke_lesser")
        yield cursor
        cursor.execute("reset role")


def test_where_nobody_can_write_it_down_nothing_is_read(client, reviewer, talk, lesser_role):
    address = read(client, talk[0]).redirect_chain[0][0]
    assert "三亚" in client.get(address).content.decode(), "with the right it is read"
    lesser_role.execute("reset role")
    lesser_role.execute("revoke insert on crm_auditentry from changke_lesser")
    lesser_role.execute("set local role changke_lesser")
    response = client.get(address)
    assert response.status_code == 503
    assert "三亚" not in response.content.decode()


@pytest.fixture
def film(talk, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    message = say(*talk, "", kind="video")
    media = ArchivedMedia.objects.create(
        message=message,
        position=0,
        kind="video",
        file_id="f",
        state="done",
        stored_name="ab" * 20,
        size=4,
        next_try_at=timezone.now(),
    )
    media_path(media).parent.mkdir(parents=True)
    media_path(media).write_bytes(b"film")
    return media


def test_a_file_is_saved_never_shown_and_written_down(client, reviewer, talk, film):
    address = read(client, talk[0]).redirect_chain[0][0]
    response = client.get(f"{address}files/{film.pk}/")
    assert b"".join(response.streaming_content) == b"film"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Type"] == "application/octet-stream"
    assert AuditEntry.objects.filter(action="archive.read", details__media=film.pk).exists()


def test_a_file_outside_the_reading_is_not_there(client, reviewer, talk, film):
    address = read(client, words="房吗").redirect_chain[0][0]
    assert client.get(f"{address}files/{film.pk}/").status_code == 404
    agree(*talk, agreed=False, days_ago=0)
    address = read(client, talk[0]).redirect_chain[0][0]
    assert client.get(f"{address}files/{film.pk}/").status_code == 404


def test_kinds_that_nobody_knows_are_shown_as_they_came(client, reviewer, talk):
    say(*talk, "", kind="solitaire", content={"msgid": "1", "solitaire": {"topic": "<b>接龙</b>"}})
    response = read(client, talk[0])
    assert response.context["lines"][-1].raw == {"solitaire": {"topic": "<b>接龙</b>"}}
    assert "<b>接龙" not in response.content.decode()


def test_a_profile_leads_reviewers_to_the_archive_with_the_customer_filled_in(
    client, reviewer, talk
):
    response = client.get(reverse("crm:customers:profile", args=[talk[0].pk]))
    address = f"{HOME}?customer={talk[0].customer_no}"
    assert address in response.content.decode()
    assert client.get(address).context["form"]["customer"].value() == talk[0].customer_no
