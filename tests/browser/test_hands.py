"""Handovers, tagging and identity conflicts in a real browser."""

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from crm.agents.access import Role
from crm.customers.models import Contact, IdentityConflict
from crm.handover.actions import start_handover
from crm.handover.models import State, Transfer
from crm.handover.planning import make_plan
from crm.tagging.actions import tag_contacts
from crm.tagging.models import TagEdit
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.browser.world import World, build_world
from tests.factories import make_customer, make_tag, make_user

pytestmark = pytest.mark.django_db(transaction=True)
LOOKS = [("zh-hans", "phone", "dark"), ("en", "wide", "light")]


@pytest.fixture
def world(db) -> World:
    return build_world()


@pytest.fixture
def manager(world):
    return make_user(Role.MANAGER, username="jingli", departments=[world.root])


def a_handover(world: World, by) -> int:
    giver, *takers = world.agents[:3]
    now = timezone.now()
    plan = make_plan(giver=giver, takers=takers, now=now)
    handover = start_handover(giver=giver, takers=takers, expected=plan.moving, by=by, now=now)
    states = [State.WAITING, State.DONE, State.REFUSED, State.FULL, State.FAILED]
    reasons = ["", "", "customer_refused", "receiver_full", "40128"]
    for n, pk in enumerate(Transfer.unsafe_all.order_by("pk").values_list("pk", flat=True)):
        Transfer.unsafe_all.filter(pk=pk).update(
            state=states[n % 5], reason_code=reasons[n % 5], started_at=now, due_at=now
        )
    return handover.pk


def a_batch(by) -> int:
    contact = Contact.unsafe_all.current().order_by("pk")[0]
    batch = tag_contacts(
        contacts=[contact],
        adds=[make_tag(name="亲子"), make_tag(name="自驾")],
        by=by,
        now=timezone.now(),
    )
    first = TagEdit.unsafe_all.filter(batch=batch).order_by("pk")[0]
    TagEdit.unsafe_all.filter(pk=first.pk).update(state="failed", reason="标签已在企业微信删除")
    return batch.pk


def a_conflict(world: World) -> int:
    now = timezone.now()
    filed = make_customer(customer_no="C-900", phone="13800001234", name="王珍")
    return IdentityConflict.unsafe_all.create(
        kind="phone_same",
        customer=world.customers[0],
        other=filed,
        evidence="13800001234",
        first_seen_at=now,
        last_seen_at=now,
    ).pk


def pages(world: World, by) -> dict[str, str]:
    taker, giver = world.agents[2:4]
    batch, tag = a_batch(by), make_tag(name="老客")
    customer = Contact.unsafe_all.current().order_by("pk")[0].customer_id
    plan = f"?giver={giver.pk}&takers={taker.pk}&split=even"
    return {
        "handover": reverse("crm:handover:detail", args=[a_handover(world, by)]),
        "handovers": reverse("crm:handover:list"),
        "plan": reverse("crm:handover:plan") + plan,
        "tag-customer": reverse("crm:tagging:customer", args=[customer]),
        "tag-list": reverse("crm:tagging:list") + f"?add={tag.pk}",
        "tag-batch": reverse("crm:tagging:batch", args=[batch]),
        "tag-batches": reverse("crm:tagging:batches"),
        "conflict": reverse("crm:identity:detail", args=[a_conflict(world)]),
        "conflicts": reverse("crm:identity:list"),
    }


@pytest.mark.parametrize(("language", "size", "theme"), LOOKS)
def test_every_page_is_accessible_and_fits(page_for, world, manager, language, size, theme):
    page = page_for(manager, size=size, theme=theme, language=language)
    for name, path in pages(world, manager).items():
        page.goto(path)
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"{name}-{size}-{theme}-{language}", full=True)


def test_a_handover_is_seen_confirmed_and_stopped(page_for, world, manager):
    giver, taker = world.agents[:2]
    n = Contact.unsafe_all.current().filter(agent=giver).count()
    page = page_for(manager)
    page.goto(reverse("crm:handover:plan") + f"?giver={giver.pk}&takers={taker.pk}&split=even")
    page.get_by_role("button", name=f"移交 {n} 位客户").click()
    page.get_by_role("dialog").get_by_role("button", name=f"移交 {n} 位客户").click()
    expect(page.get_by_role("link", name=f"已计划 {n}")).to_be_visible()
    page.wait_for_load_state()
    page.get_by_role("button", name="停止移交").click()
    page.get_by_role("dialog").get_by_role("button", name="停止移交").click()
    expect(page.get_by_role("link", name=f"不移交 {n}")).to_be_visible()
