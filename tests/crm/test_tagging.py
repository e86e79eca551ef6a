"""Tags wished here and there: the last word wins at WeCom, and both sides end alike."""

import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from crm import wecom
from crm.agents.models import AuditEntry
from crm.customers.actions import apply_contacts
from crm.customers.models import Contact, Tag
from crm.outbox.dispatcher import claim, dispatch, work
from crm.outbox.models import OutboxItem
from crm.tagging.actions import TagsRefused, check_tags, tag_contacts, undo_batch
from crm.tagging.models import TagBatch, TagEdit
from crm.timeline.models import Fact
from tests.factories import make_tag
from tests.moment_world import MomentWorld
from tests.sandbox_fixture import ROOT
from tests.waiting import eventually

METHOD = "externalcontact/mark_tag"
State = OutboxItem.State


class TagWorld(MomentWorld):
    """People of the sandbox, its tags, and one relation that tests look at."""

    def __init__(self, sandbox, settings) -> None:
        super().__init__(sandbox, settings)
        for group in wecom.client().corp_tags():
            for tag in group.tags:
                row = self._tag(tag.wecom_id)
                Tag.objects.filter(pk=row.pk).update(name=tag.name)
        self.contact = Contact.unsafe_all.select_related("customer", "agent").order_by("pk")[0]
        self.contact.tags.clear()
        self.write(remove=self.there())
        self.before = len(sandbox.ledger(METHOD))
        self.tag, self.other, self.third = Tag.objects.order_by("pk")[:3]

    def write(self, add=(), remove=()) -> None:
        """The agent edits in WeCom itself."""
        if add or remove:
            wecom.client().mark_tags(
                userid=self.contact.agent.userid,
                external_userid=self.contact.customer.external_userid,
                add=list(add),
                remove=list(remove),
            )

    def there(self) -> set[str]:
        """What the relation carries at WeCom."""
        seen = wecom.client().contact(self.contact.customer.external_userid)
        userid = self.contact.agent.userid
        return {t for r in seen.relations if r.userid == userid for t in r.tag_ids}

    def here(self) -> set[str]:
        """What it carries here."""
        return set(self.contact.tags.values_list("wecom_id", flat=True))

    def calls(self) -> int:
        """How often tags were written at WeCom since the world was made."""
        return len(self.sandbox.ledger(METHOD)) - self.before

    def edit(self, add=(), remove=(), contacts=None) -> TagBatch:
        return tag_contacts(
            contacts=contacts or [self.contact],
            adds=list(add),
            removes=list(remove),
            by=self.author,
            now=self.clock(),
        )

    def dispatch(self) -> None:
        dispatch(clock=self.clock)

    def settle(self) -> None:
        """Everything that is due within the next minutes."""
        for _round in range(4):
            self.dispatch()
            self.pass_(seconds=60)

    def ids(self, *tags: Tag) -> set[str]:
        return {tag.wecom_id for tag in tags}


@pytest.fixture
def world(transactional_db, sandbox, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return TagWorld(sandbox, settings)


def test_a_tag_is_put_on_at_wecom_first_and_then_here(world):
    world.edit(add=[world.tag])
    assert world.here() == set()
    world.dispatch()
    assert world.there() == world.here() == world.ids(world.tag)
    assert TagEdit.unsafe_all.get().state == TagEdit.State.SETTLED
    assert Fact.unsafe_all.get(kind__code="tag_added").customer == world.contact.customer
    assert AuditEntry.objects.get(action="tags.edit").actor == world.author


def test_tags_that_nobody_here_asked_about_stay_as_wecom_has_them(world):
    world.write(add=[world.other.wecom_id])
    world.edit(add=[world.tag], remove=[world.third])
    world.dispatch()
    assert world.there() == world.ids(world.tag, world.other)


def test_what_is_so_already_is_neither_asked_nor_recorded(world):
    world.edit(add=[world.tag])
    world.dispatch()
    world.edit(add=[world.tag], remove=[world.other])
    assert OutboxItem.unsafe_all.count() == 1
    assert TagEdit.unsafe_all.count() == 1


def test_two_wishes_before_the_call_are_one_call(world):
    world.edit(add=[world.tag])
    world.edit(add=[world.other])
    world.dispatch()
    assert world.there() == world.ids(world.tag, world.other)
    assert world.calls() == 1
    assert [i.state for i in OutboxItem.unsafe_all.order_by("pk")] == [State.DONE, State.SKIPPED]


def test_a_wish_taken_back_before_the_call_leaves_nothing(world):
    world.edit(add=[world.tag])
    world.edit(remove=[world.tag])
    world.settle()
    assert world.there() == world.here() == set()


@pytest.mark.parametrize("kind", ["effect_then_drop", "drop", "http_500"])
def test_whatever_became_of_the_call_both_sides_end_alike(world, kind):
    world.edit(add=[world.tag])
    world.sandbox.fault(METHOD, kind, count=1)
    world.settle()
    assert world.there() == world.here() == world.ids(world.tag)
    assert OutboxItem.unsafe_all.get().state == State.DONE


def test_a_tag_that_is_gone_at_wecom_is_said_and_holds_up_no_other(world):
    [made] = wecom.client().create_corp_tags(["旧活动"], group_name="活动").tags
    doomed = make_tag(wecom_id=made.wecom_id)
    world.edit(add=[doomed, world.other])
    wecom.client().delete_corp_tags(tag_ids=[made.wecom_id])
    world.dispatch()
    assert world.there() == world.here() == world.ids(world.other)
    gone = TagEdit.unsafe_all.get(tag=doomed)
    assert (gone.state, gone.reason) == (TagEdit.State.FAILED, "标签已在企业微信删除")
    doomed.refresh_from_db()
    assert doomed.is_deleted
    with pytest.raises(TagsRefused, match="已在企业微信删除"):
        check_tags([doomed], [])


def test_of_a_relation_that_has_ended_nothing_is_asked(world):
    world.edit(add=[world.tag])
    Contact.unsafe_all.filter(pk=world.contact.pk).update(
        status=Contact.Status.DELETED_BY_AGENT, ended_at=world.clock()
    )
    world.dispatch()
    assert world.calls() == 0
    edit = TagEdit.unsafe_all.get()
    assert (edit.state, edit.reason) == (TagEdit.State.FAILED, "已不是好友，标签无处可挂")


def test_what_contradicts_itself_is_refused(world):
    with pytest.raises(TagsRefused, match="不能同时"):
        world.edit(add=[world.tag], remove=[world.tag])
    with pytest.raises(TagsRefused, match="至少选择一个"):
        world.edit()
    assert not TagBatch.unsafe_all.exists()


# Undo


def test_a_batch_is_undone_once_and_only_where_nobody_edited_since(world):
    contacts = list(Contact.unsafe_all.order_by("pk")[:3])
    for contact in contacts[1:]:
        contact.tags.clear()
    batch = world.edit(add=[world.tag], contacts=contacts)
    world.settle()
    world.edit(remove=[world.tag])
    world.settle()
    world.edit(add=[world.tag])  # Somebody wants it after all: not the batch's any more.
    world.settle()
    undo_batch(batch_id=batch.pk, by=world.author, now=world.clock())
    world.settle()
    carried = [world.tag in contact.tags.all() for contact in contacts]
    assert carried == [True, False, False]
    with pytest.raises(TagsRefused, match="已经撤销过"):
        undo_batch(batch_id=batch.pk, by=world.author, now=world.clock())


# Many at once


def _overtaken(world) -> None:
    """An editor's call hangs; another takes the tag off again, and their call is faster."""
    world.edit(add=[world.tag])
    slow = claim(now=world.clock())
    world.sandbox.fault(METHOD, "delay", delay=1.5, count=1)
    thread = threading.Thread(target=_work, args=(slow, world.clock))
    thread.start()
    _until(lambda: OutboxItem.unsafe_all.filter(state=State.CALLING).exists())
    _until(lambda: world.sandbox.read("state")["faults"][0]["hits"] == 1)
    world.edit(remove=[world.tag])
    world.dispatch()
    thread.join()
    world.settle()


def _work(item: OutboxItem, clock) -> None:
    work(item, clock)
    connection.close()


def _until(true) -> None:
    eventually(true, timeout=10)


def test_a_call_that_was_overtaken_does_not_have_the_last_word(world):
    _overtaken(world)
    assert world.there() == world.here() == set()


def test_twin_without_the_guard_the_slow_call_has_the_last_word(world, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "tagging.last_word")
    _overtaken(world)
    assert world.there() == world.ids(world.tag)


def test_eight_editors_at_once_end_with_both_sides_alike(world):
    tags = list(Tag.objects.order_by("pk")[:4])
    start = threading.Barrier(8)

    def edit(n: int) -> None:
        start.wait()
        for round_ in range(4):
            tag = tags[(n + round_) % 4]
            if (n + round_) % 3:
                world.edit(add=[tag])
            else:
                world.edit(remove=[tag])
            if n % 2:
                dispatch(clock=world.clock, limit=2)
        connection.close()

    threads = [threading.Thread(target=edit, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.settle()
    wanted = {edit.tag.wecom_id for edit in TagEdit.unsafe_all.filter(is_wanted=True)}
    assert world.there() == world.here() == wanted
    assert not TagEdit.unsafe_all.waiting().exists()
    assert set(OutboxItem.unsafe_all.values_list("state", flat=True)) <= {
        State.DONE,
        State.SKIPPED,
    }


@pytest.mark.worker
@pytest.mark.parametrize("point", ["outbox.before_call", "outbox.after_call"])
def test_killed_around_the_call_the_tag_is_there_once_the_next_one_has_looked(
    world, process_environment, point
):
    world.edit(add=[world.tag])
    sandbox = world.sandbox
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "dispatch", "--once", "--at", str(world.clock())],
        env={
            **process_environment,
            "CHANGKE_KILL_AT": point,
            "WECOM_BASE_URL": sandbox.url,
            "WECOM_SECRET": sandbox.secret,
            "WECOM_CORP_ID": sandbox.corp_id,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert OutboxItem.unsafe_all.get().state == State.CALLING
    world.pass_(seconds=120)
    world.settle()
    assert world.there() == world.here() == world.ids(world.tag)
    assert world.calls() == 1


def test_an_edit_made_at_wecom_is_merged_and_not_written_over(world):
    """The agent adds a tag in WeCom while ours is on its way: both stay."""
    world.edit(add=[world.tag])
    world.write(add=[world.other.wecom_id])
    world.dispatch()
    seen = wecom.client().contact(world.contact.customer.external_userid)
    with transaction.atomic():
        apply_contacts([seen], asked_at=world.clock() + timedelta(seconds=1), now=world.clock())
    assert world.there() == world.here() == world.ids(world.tag, world.other)
    world.write(remove=[world.tag.wecom_id])  # Later the agent takes it off: that is the last word.
    seen = wecom.client().contact(world.contact.customer.external_userid)
    with transaction.atomic():
        apply_contacts([seen], asked_at=world.clock() + timedelta(seconds=2), now=world.clock())
    world.settle()
    assert world.there() == world.here() == world.ids(world.other)
