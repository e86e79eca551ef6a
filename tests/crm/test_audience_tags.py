"""The tag of an audience: made once, on all members and on nobody else, whatever happens."""

import threading

import pytest
from django.db import connection
from django.urls import reverse

from crm import wecom
from crm.agents.access import Role
from crm.audiences.actions import freeze_audience
from crm.customers.models import Contact, Tag
from crm.jobs.models import Job
from crm.outbox.actions import adopt_item
from crm.outbox.models import OutboxItem
from crm.shared.http import STOP_POLLING
from crm.tagging import audience_tags
from crm.tagging.actions import TagsRefused
from crm.tagging.bulk import run_tagging
from crm.tagging.models import AudienceTag
from tests.crm.test_tagging import TagWorld
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)
MAKE = "externalcontact/add_corp_tag"


class AudienceWorld(TagWorld):
    """Two audiences of the sandbox's people that overlap."""

    def __init__(self, sandbox, settings) -> None:
        super().__init__(sandbox, settings)
        people = list(Contact.unsafe_all.order_by("pk").values_list("customer", flat=True))
        people = list(dict.fromkeys(people))
        self.first, self.second = (
            freeze_audience(name=name, customer_ids=ids, by=self.author, now=self.clock())
            for name, ids in [("三亚", people[:4]), ("大理", people[2:6])]
        )

    def give(self, name="三亚客"):
        return audience_tags.give_tag(
            audience=self.first, name=name, by=self.author, now=self.clock()
        )

    def work(self) -> None:
        """Everything that waits: items at WeCom, jobs here, and what they queue."""
        for _round in range(3):
            self.dispatch()
            for pk in Job.unsafe_all.filter(state="waiting").values_list("pk", flat=True):
                run_tagging(pk, now=self.clock())
        self.pass_(minutes=10)
        self.dispatch()

    def carriers(self, wecom_id: str) -> set[tuple[str, str]]:
        """(agent, customer) of the relations that carry a tag at WeCom."""
        pairs = Contact.unsafe_all.current().values_list(
            "agent__userid", "customer__external_userid"
        )
        seen = {external: wecom.client().contact(external) for _userid, external in pairs}
        return {
            (relation.userid, external)
            for external, one in seen.items()
            for relation in one.relations
            if wecom_id in relation.tag_ids
        }

    def relations(self, audience) -> set[tuple[str, str]]:
        members = audience.members.values("customer_id")
        return set(
            Contact.unsafe_all.current()
            .filter(customer__in=members)
            .values_list("agent__userid", "customer__external_userid")
        )


@pytest.fixture
def world(wecom_sandbox, settings):
    return AudienceWorld(wecom_sandbox, settings)


def test_members_carry_the_new_tag_and_nobody_else(world):
    world.give()
    world.work()
    row = AudienceTag.unsafe_all.get()
    assert row.tag.group.name == audience_tags.group_name()
    assert world.carriers(row.tag.wecom_id) == world.relations(world.first)
    assert len(world.sandbox.ledger(MAKE)) == 1


def test_the_night_puts_back_what_somebody_took_off_or_put_on(world):
    world.give()
    world.work()
    tag = AudienceTag.unsafe_all.get().tag
    member = Contact.unsafe_all.current().filter(tags=tag).first()
    stranger = Contact.unsafe_all.current().exclude(tags=tag).first()
    member.tags.remove(tag)
    stranger.tags.add(tag)
    for contact, change in ((member, "remove"), (stranger, "add")):
        wecom.client().mark_tags(
            userid=contact.agent.userid,
            external_userid=contact.customer.external_userid,
            **{change: [tag.wecom_id]},
        )
    assert audience_tags.keep_all() == 2
    world.work()
    assert world.carriers(tag.wecom_id) == world.relations(world.first)
    assert audience_tags.keep_all() == 0


def test_a_tag_that_follows_another_audience_moves_whole(world):
    world.give()
    world.work()
    row = AudienceTag.unsafe_all.get()
    audience_tags.follow(row=row, audience=world.second, by=world.author, now=world.clock())
    world.work()
    assert world.carriers(row.tag.wecom_id) == world.relations(world.second)


@pytest.mark.parametrize("kind", ["effect_then_timeout", "drop"])
def test_an_unclear_answer_makes_one_tag(world, kind):
    world.sandbox.fault(MAKE, kind, count=1)
    world.give()
    world.work()
    world.pass_(minutes=30)
    world.work()
    made = [
        tag for group in wecom.client().corp_tags() for tag in group.tags if tag.name == "三亚客"
    ]
    assert [tag.wecom_id for tag in made] == [AudienceTag.unsafe_all.get().tag.wecom_id]
    assert set(OutboxItem.unsafe_all.filter(kind="corp_tag").values_list("state", flat=True)) == {
        "done"
    }


def test_what_cannot_be_made_is_refused_with_a_remedy(world):
    for name in ("", "长" * 31):
        with pytest.raises(TagsRefused):
            world.give(name)
    world.give()
    with pytest.raises(TagsRefused):
        world.give("另一个")
    with pytest.raises(TagsRefused):
        audience_tags.give_tag(
            audience=world.second, name="三亚客", by=world.author, now=world.clock()
        )


def test_a_tag_deleted_at_wecom_can_be_made_anew(world):
    world.give()
    world.work()
    Tag.objects.filter(pk=AudienceTag.unsafe_all.get().tag_id).update(is_deleted=True)
    assert audience_tags.keep_all() == 0
    row = world.give("三亚客二")
    world.work()
    row.refresh_from_db()
    assert world.carriers(row.tag.wecom_id) == world.relations(world.first)


def test_a_tag_that_was_refused_can_be_asked_for_again_under_the_same_name(world):
    world.sandbox.fault(MAKE, "errcode", errcode=40058, count=1)
    world.give()
    world.dispatch()
    row = AudienceTag.unsafe_all.get()
    assert row.reason
    assert not row.stands
    world.give()
    world.work()
    row.refresh_from_db()
    assert world.carriers(row.tag.wecom_id) == world.relations(world.first)


def test_two_operators_at_once_give_one_tag(world):
    """The second one is told so, instead of failing on the database's constraint."""
    began, ends = threading.Barrier(2), []

    def give() -> None:
        began.wait()
        try:
            world.give()
            ends.append("given")
        except TagsRefused:
            ends.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=give) for _n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["given", "refused"]
    assert OutboxItem.unsafe_all.filter(kind="corp_tag").count() == 1


def test_a_tag_of_that_name_that_belongs_to_another_audience_is_not_taken_from_it(world):
    world.give()
    world.work()
    AudienceTag.unsafe_all.update(name="改名前")
    Tag.objects.filter(name="三亚客").update(name="改名前")  # At WeCom it has the old name still.
    audience_tags.give_tag(audience=world.second, name="三亚客", by=world.author, now=world.clock())
    world.work()
    second = AudienceTag.unsafe_all.get(audience=world.second)
    assert second.tag is None
    assert "已属于另一个人群" in second.reason


def test_a_parked_item_is_adopted_by_the_tag_s_number(world):
    world.give()
    item = OutboxItem.unsafe_all.get(kind="corp_tag")
    OutboxItem.unsafe_all.filter(pk=item.pk).update(state="parked")
    there = world.third
    said = {"reason": "后台已有", "by": world.author, "now": world.clock()}
    adopt_item(item_id=item.pk, remote_id=there.wecom_id, **said)
    world.work()
    row = AudienceTag.unsafe_all.get()
    assert row.tag == there
    assert world.carriers(there.wecom_id) == world.relations(world.first)


def test_pages_lead_from_an_audience_to_its_tag_and_back(world, client):
    client.force_login(make_user(Role.OPERATOR))
    url = reverse("crm:tagging:audience", args=[world.first.pk])
    assert (
        url in client.get(reverse("crm:audiences:detail", args=[world.first.pk])).content.decode()
    )
    assert client.post(url, {"name": "长" * 31}).status_code == 422
    assert client.post(url, {"name": "三亚客"}).status_code == 302
    live = reverse("crm:tagging:audience_live", args=[world.first.pk])
    assert live in client.get(url).content.decode()
    assert client.get(live).status_code == 200
    world.work()
    assert client.get(live).status_code == STOP_POLLING
    assert live not in client.get(url).content.decode()
    assert "三亚客" in client.get(url).content.decode()
    assert client.post(reverse("crm:tagging:keep", args=[world.first.pk])).status_code == 302
    follow = reverse("crm:tagging:follow", args=[world.first.pk])
    assert client.post(follow, {"audience": "x"}).status_code == 422
    assert client.post(follow, {"audience": world.second.pk}).status_code == 302
    stop = reverse("crm:tagging:stop", args=[world.second.pk])
    assert client.post(stop).status_code == 302
    assert not AudienceTag.unsafe_all.exists()
