"""Two hours away, callbacks lost for ever: in the end the database is as if nothing had happened.

The same life is lived twice, once with the product listening all the time, once without it for two
virtual hours; then both reconcile. Duplicates and reordering are the third life.
"""

import random
from dataclasses import dataclass

import pytest
from django.db import transaction

from crm.callbacks import tasks as callback_tasks
from crm.customers.models import Contact
from crm.sync.models import Reconcile, Repair
from crm.sync.reconciling import reconcile_all
from tests.crm import outage_life as act
from tests.crm.outage_life import Life

pytestmark = pytest.mark.usefixtures("db")
LI, HUANG = "li.ting", "huang.yang"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch, wecom_sandbox):
    monkeypatch.setattr(callback_tasks, "_silent_until", float("inf"))
    wecom_sandbox.control("settings", lost_relations_listed=False)


BEFORE = [
    act.add("甲", LI),
    act.add("乙", LI),
    act.add("丙", HUANG),
    act.add("丁", HUANG),
    act.open_group("三亚群", LI),
    act.in_group("group_join", "三亚群", "甲"),
    act.in_group("group_join", "三亚群", "乙"),
    act.open_group("旧群", HUANG),
    act.in_group("group_join", "旧群", "丙"),
    act.new_tag("老客户"),
    act.new_tag("要删的"),
    act.edit("甲", LI, tags=("要删的",)),
]
# Twelve steps of ten minutes each.
MEANWHILE = [
    act.add("戊", LI),
    act.of_pair("delete_by_agent", "乙", LI),
    act.edit("甲", LI, remark="夏天去三亚"),
    act.new_tag("新标签"),
    act.edit("丙", HUANG, tags=("新标签", "老客户")),
    act.of_tag("tag_delete", "要删的"),
    act.in_group("group_join", "三亚群", "戊"),
    act.in_group("group_leave", "三亚群", "乙"),
    act.of_group("group_rename", "三亚群", name="三亚亲子群"),
    act.of_group("group_dismiss", "旧群"),
    act.open_group("新群", HUANG),
    act.post(LI, "今日风景"),
]
AFTER = [
    act.add("己", HUANG),
    act.of_group("group_owner", "三亚群", owner=HUANG),
    act.of_pair("delete_by_customer", "丁", HUANG),
    act.in_group("group_join", "新群", "己"),
    act.of_tag("tag_update", "老客户", name="常客"),
    act.edit("己", HUANG, tags=("常客",)),
]


@dataclass(frozen=True)
class Ending:
    """What is believed before and after the reconcile, what that repaired, and since when."""

    before: dict[str, set]
    after: dict[str, set]
    repairs: dict[str, int]
    since: list[tuple[int, int]]


def lived(client, sandbox, *, away: bool = False, shaken: bool = False) -> Ending:
    """The life from the beginning; then everything here is undone."""
    sandbox.control("reset")
    sandbox.control("settings", lost_relations_listed=False)
    sid = transaction.savepoint()
    life = Life(client, sandbox)
    life.sync()
    life.live(BEFORE)
    life.live(MEANWHILE, away=away)
    life.live(AFTER)
    if shaken:
        life.hear_all_again(random.Random(3))
    before = life.believed()
    report = reconcile_all(trigger=Reconcile.Trigger.NIGHTLY, clock=life.clock)
    assert report.is_done
    repairs = Repair.unsafe_all.all()
    since = [(life.at(one.wrong_since_at), life.at(one.found_at)) for one in repairs]
    ending = Ending(before, life.believed(), report.repairs, since)
    transaction.savepoint_rollback(sid)
    return ending


def differences(one: dict[str, set], other: dict[str, set]) -> dict[str, tuple[set, set]]:
    """What only one of two endings has, by part."""
    return {
        part: (one[part] - other[part], other[part] - one[part])
        for part in one
        if one[part] != other[part]
    }


def test_a_two_hour_outage_ends_in_the_same_database_state_as_none(client, wecom_sandbox):
    listening = lived(client, wecom_sandbox)
    assert listening.repairs == {}  # Whoever listened had nothing to put right.
    away = lived(client, wecom_sandbox, away=True)
    # Callbacks of later alone do not bring back what was lost: the reconcile does.
    assert {"contacts", "groups", "memberships", "facts"} <= differences(
        away.before, listening.after
    ).keys()
    assert differences(away.after, listening.after) == {}
    assert {"relation_missing", "relation_gone", "group_gone"} <= away.repairs.keys()
    assert all(wrong <= found for wrong, found in away.since)


def test_duplicates_and_any_order_end_in_the_same_database_state(client, wecom_sandbox):
    listening = lived(client, wecom_sandbox)
    shaken = lived(client, wecom_sandbox, shaken=True)
    assert differences(shaken.after, listening.after) == {}
    assert shaken.repairs == {}


def test_what_only_a_callback_tells_stays_unknown_and_nothing_else(client, wecom_sandbox):
    """Of a customer's own deletion there is no other trace: who ended it cannot be known."""
    told_of = act.of_pair("delete_by_customer", "乙", LI)
    life = Life(client, wecom_sandbox)
    life.sync()
    life.live(BEFORE)
    life.live([told_of, act.add("过客", LI), act.of_pair("delete_by_agent", "过客", LI)], away=True)
    reconcile_all(trigger=Reconcile.Trigger.NIGHTLY, clock=life.clock)
    ended = Contact.unsafe_all.get(customer__external_userid=life.number("乙"))
    assert (ended.status, ended.agent.userid) == ("deleted_by_agent", LI)
    assert Repair.unsafe_all.get(kind="relation_gone").after["observed"] is True
    # Somebody who came and went meanwhile was never seen.
    assert not Contact.unsafe_all.filter(customer__external_userid=life.number("过客")).exists()
