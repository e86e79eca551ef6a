"""Pages that tag one customer or a whole list: scope, dry run, job, undo."""

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.jobs.models import Job
from crm.outbox.models import OutboxItem
from crm.tagging import bulk
from crm.tagging.actions import ask
from crm.tagging.models import TagBatch, TagChange, TagEdit
from tests.factories import (
    make_agent,
    make_contact,
    make_department,
    make_friend,
    make_tag,
    make_user,
)


@pytest.fixture
def operator(db, client):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def settled(batch: TagBatch) -> None:
    """As if WeCom had taken it all."""
    for edit in TagEdit.unsafe_all.filter(batch=batch):
        (edit.contact.tags.add if edit.is_wanted else edit.contact.tags.remove)(edit.tag)
    TagEdit.unsafe_all.filter(batch=batch).update(state=TagEdit.State.SETTLED)


def test_an_agent_tags_the_own_relation_and_sees_that_it_is_on_its_way(client, db):
    agent, tag = make_agent(), make_tag(name="亲子")
    customer = make_friend(agent)
    other = make_contact(customer, make_agent())
    client.force_login(make_user(Role.AGENT, agent=agent))
    page = reverse("crm:tagging:customer", args=[customer.pk])
    contact = customer.contacts.get(agent=agent)
    answer = client.post(page, {"relations": [contact.pk], "add": [tag.pk]})
    assert answer["Location"] == page
    assert TagEdit.unsafe_all.get().contact == contact
    assert "待写入企业微信" in client.get(page).content.decode()
    foreign = client.post(page, {"relations": [other.pk], "add": [tag.pk]})
    assert foreign.context["form"].errors["relations"]
    assert TagEdit.unsafe_all.count() == 1


@pytest.mark.parametrize("chosen", [{}, {"add": ["{tag}"], "remove": ["{tag}"]}, {"add": ["99"]}])
def test_what_cannot_be_done_is_said_at_its_field(client, operator, chosen):
    customer, tag = make_friend(make_agent()), make_tag()
    values = {
        name: [one.format(tag=tag.pk) if one != "99" else "999999" for one in ids]
        for name, ids in chosen.items()
    }
    page = reverse("crm:tagging:customer", args=[customer.pk])
    contact = customer.contacts.get()
    answer = client.post(page, {"relations": [contact.pk], **values})
    assert answer.status_code == 422
    assert answer.context["form"].errors
    assert not TagBatch.unsafe_all.exists()


def test_a_list_is_tagged_by_a_job_after_a_dry_run(client, operator):
    mine, tag, held = make_agent(name="李"), make_tag(), make_tag()
    people = [make_friend(mine, name=f"珊{n}") for n in range(4)]
    make_friend(mine, name="别人")
    people[0].contacts.get().tags.add(tag)
    people[1].contacts.get().tags.add(held)
    url = reverse("crm:tagging:list") + "?q=珊"
    seen = client.get(url, {"q": "珊", "add": [tag.pk], "remove": [held.pk]})
    assert seen.context["preview"] == bulk.Preview(customers=4, relations=4, changing=3)
    assert not TagBatch.unsafe_all.exists()
    answer = client.post(url, {"add": [tag.pk], "remove": [held.pk]})
    batch = TagBatch.unsafe_all.get()
    assert answer["Location"] == reverse("crm:tagging:batch", args=[batch.pk])
    assert bulk.run_tagging(batch.job_id, now=timezone.now())
    batch.refresh_from_db()
    assert (batch.customers, batch.job.result) == (4, {"rows": 4, "changed": 3})
    assert TagChange.objects.filter(batch=batch).count() == 4
    assert OutboxItem.unsafe_all.filter(kind="tag").count() == 3
    assert AuditEntry.objects.get(action="tags.bulk").actor == operator
    progress = client.get(answer["Location"]).context["progress"]
    parts = progress.waiting + progress.settled + progress.failed + progress.superseded
    assert progress.changed == parts == 4


def test_the_dry_run_counts_what_is_on_its_way_as_there(client, operator):
    customer, tag = make_friend(make_agent()), make_tag()
    batch = TagBatch.unsafe_all.create(created_by=operator)
    ask(batch, [customer.contacts.get().pk], {tag.pk: True}, now=timezone.now())
    seen = client.get(reverse("crm:tagging:list"), {"add": [tag.pk]})
    assert seen.context["preview"].changing == 0


def test_a_lead_tags_only_relations_of_the_own_team(client, db):
    team, tag = make_department(parent=make_department()), make_tag()
    inside = make_friend(make_agent(department=team))
    make_contact(inside, make_agent())
    make_friend(make_agent())
    client.force_login(make_user(Role.LEAD, departments=[team]))
    seen = client.get(reverse("crm:tagging:list"), {"add": [tag.pk]})
    assert seen.context["preview"] == bulk.Preview(1, 1, 1)
    client.post(reverse("crm:tagging:list"), {"add": [tag.pk]})
    bulk.run_tagging(Job.unsafe_all.get().pk, now=timezone.now())
    assert TagEdit.unsafe_all.get().contact.agent.department == team


def test_a_list_without_tags_is_refused(client, operator):
    answer = client.post(reverse("crm:tagging:list"), {})
    assert answer.status_code == 422
    assert not Job.unsafe_all.exists()


def test_a_batch_is_undone_from_its_page_once(client, operator):
    customer, tag = make_friend(make_agent()), make_tag()
    client.post(reverse("crm:tagging:list"), {"add": [tag.pk]})
    batch = TagBatch.unsafe_all.get()
    bulk.run_tagging(batch.job_id, now=timezone.now())
    settled(batch)
    undo = reverse("crm:tagging:undo", args=[batch.pk])
    assert client.post(undo).status_code == 302
    edit = TagEdit.unsafe_all.get()
    assert (edit.is_wanted, edit.state, edit.batch.undoes) == (False, "waiting", batch)
    again = client.post(undo)
    assert again.status_code == 422
    assert "已经撤销过" in again.content.decode()
    assert customer.contacts.get().tags.get() == tag


def test_a_large_batch_is_undone_by_a_job(client, operator, monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 1)
    tag = make_tag()
    for _n in range(2):
        make_friend(make_agent())
    client.post(reverse("crm:tagging:list"), {"add": [tag.pk]})
    batch = TagBatch.unsafe_all.get()
    bulk.run_tagging(batch.job_id, now=timezone.now())
    settled(batch)
    client.post(reverse("crm:tagging:undo", args=[batch.pk]))
    job = Job.unsafe_all.get(state=Job.State.WAITING)
    bulk.run_tagging(job.pk, now=timezone.now())
    assert TagEdit.unsafe_all.filter(is_wanted=False, state="waiting").count() == 2


def test_the_record_lists_what_was_tagged_and_by_whom(client, operator):
    tag = make_tag(name="亲子")
    TagBatch.unsafe_all.create(adds=[tag.pk], customers=3, created_by=operator)
    stranger = TagBatch.unsafe_all.create(adds=[tag.pk], created_by=make_user(Role.LEAD))
    page = client.get(reverse("crm:tagging:batches"))
    assert len(page.context["rows"]) == 2
    client.force_login(make_user(Role.LEAD))
    assert client.get(reverse("crm:tagging:batches")).context["rows"] == []
    assert client.get(reverse("crm:tagging:batch", args=[stranger.pk])).status_code == 404
