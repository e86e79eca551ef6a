"""The page of parked callbacks: why each one stands there, and handling it once more."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.models import AuditEntry
from crm.callbacks import actions, tasks
from crm.callbacks.models import InboxEvent
from crm.callbacks.notices import notices
from crm.callbacks.queries import LATE_AFTER, inbox_health
from tests.crm.wecom_helpers import deliver, event_xml, post
from tests.factories import make_user

pytestmark = pytest.mark.usefixtures("db")
PAGE, REPLAY = "crm:callbacks:parked", "crm:callbacks:replay"
NAMELESS = "KeyError: 'ExternalUserID'"


@pytest.fixture(autouse=True)
def _configured(callback_settings, monkeypatch):
    monkeypatch.setattr(tasks, "_silent_until", float("inf"))


@pytest.fixture
def parked(client) -> list[InboxEvent]:
    """Three that were tried until they were given up, for two reasons, and one that went well."""
    kinds = [{"ChangeType": "add_external_contact", "N": n} for n in range(2)]
    deliver(client, *(event_xml(Event="change_external_contact", **kind) for kind in kinds))
    deliver(client, event_xml(Event="change_external_chat", ChangeType="dismiss"))
    deliver(client, event_xml(Event="subscribe"))
    now = timezone.now()
    for hour in range(6):
        actions.work_inbox(clock=lambda hour=hour: now + timedelta(hours=hour))
    return list(InboxEvent.objects.filter(state="parked").order_by("pk"))


def states() -> list[str]:
    return list(InboxEvent.objects.order_by("pk").values_list("state", flat=True))


@pytest.mark.parametrize("role", ["operator", "admin", "manager"])
def test_the_page_tells_kind_reason_tries_and_times_but_no_message(client, parked, role):
    client.force_login(make_user(role))
    page = client.get(reverse(PAGE)).content.decode()
    assert NAMELESS.replace("'", "&#x27;") in page
    assert "add_external_contact" in page
    assert page.count("data-rows") == 1
    assert "ToUserName" not in page
    assert (reverse(REPLAY) in page) == (role != "manager")


def test_one_is_handled_once_more_and_that_is_audited(client, parked):
    operator = make_user("operator")
    client.force_login(operator)
    client.post(reverse(REPLAY), {"event_id": parked[1].pk})
    assert states() == ["parked", "waiting", "parked", "ignored"]
    assert InboxEvent.objects.get(pk=parked[1].pk).attempts == 0
    entry = AuditEntry.objects.get(action="callback.replay")
    assert (entry.actor, entry.object_id) == (operator, str(parked[1].pk))


def test_all_of_a_reason_are_handled_once_more_and_that_is_audited(client, parked):
    client.force_login(make_user("admin"))
    client.post(reverse(REPLAY), {"reason": NAMELESS})
    assert states() == ["waiting", "waiting", "parked", "ignored"]
    entry = AuditEntry.objects.get(action="callback.replay_reason")
    assert (entry.reason, entry.details["count"]) == (NAMELESS, 2)
    client.post(reverse(REPLAY), {"reason": NAMELESS})  # Pressed twice.
    assert AuditEntry.objects.filter(action="callback.replay_reason").count() == 1


def test_what_was_replayed_after_the_cause_is_gone_is_handled(client, parked):
    InboxEvent.objects.filter(pk=parked[0].pk).update(message=event_xml(Event="subscribe"))
    actions.replay_event(event_id=parked[0].pk, by=None, now=timezone.now())
    actions.work_inbox()
    assert states()[0] == "ignored"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"event_id": "0"},
        {"event_id": "x"},
        {"event_id": "9" * 30},
        {"event_id": "1", "reason": "x"},
        {"reason": "no such reason"},
        {"reason": "r" * 300},
        {"event_id": "999999"},
    ],
)
def test_a_replay_of_nothing_changes_nothing_and_says_so(client, parked, given):
    client.force_login(make_user("operator"))
    answer = client.post(reverse(REPLAY), given, follow=True)
    assert answer.status_code == 200
    assert states() == ["parked", "parked", "parked", "ignored"]
    assert not AuditEntry.objects.filter(action__startswith="callback.").exists()


@pytest.mark.parametrize(("role", "method"), [("agent", "get"), ("manager", "post")])
def test_others_may_not(client, parked, role, method):
    client.force_login(make_user(role))
    url = reverse(PAGE if method == "get" else REPLAY)
    assert getattr(client, method)(url, {"event_id": parked[0].pk}).status_code == 403
    assert states()[0] == "parked"


def test_the_page_can_be_narrowed_by_reason_and_by_event(client, parked):
    client.force_login(make_user("operator"))
    page = client.get(reverse(PAGE), {"reason": NAMELESS}).content.decode()
    assert "change_external_chat" not in page
    page = client.get(reverse(PAGE), {"event": "change_external_chat"}).content.decode()
    assert "add_external_contact" not in page
    assert "清除筛选" in client.get(reverse(PAGE), {"event": "nothing"}).content.decode()


def test_without_any_parked_the_page_says_so(client):
    client.force_login(make_user("operator"))
    assert "没有搁置的回调" in client.get(reverse(PAGE)).content.decode()


def test_the_health_page_counts_parked_waiting_and_refused(client, parked):
    post(client, {}, b"")
    client.force_login(make_user("operator"))
    page = client.get(reverse("crm:sync:health")).content.decode()
    assert f'href="{reverse(PAGE)}">3</a>' in page
    assert "参数格式不对" in page


def test_a_row_that_waits_too_long_makes_the_inbox_late(client):
    deliver(client, event_xml(Event="subscribe"))
    now = timezone.now()
    assert (inbox_health(now).level, inbox_health(now).waiting) == ("good", 1)
    later = inbox_health(now + LATE_AFTER + timedelta(seconds=1))
    assert (later.level, later.is_late) == ("warn", True)


# What WeCom only notifies of


def link_event(change_type: str, at: int, **fields) -> str:
    return event_xml(Event="customer_acquisition", ChangeType=change_type, CreateTime=at, **fields)


def test_a_used_up_quota_is_shown_until_somebody_buys_more(client):
    at = int(timezone.now().timestamp()) - 300
    deliver(client, link_event("balance_low", at), link_event("balance_exhausted", at + 100))
    [notice] = notices(timezone.now())
    assert (notice.level, "已用完" in notice.words) == ("bad", True)
    client.force_login(make_user("operator"))
    assert notice.words in client.get(reverse("crm:sync:health")).content.decode()
    deliver(client, link_event("balance_increased", at + 200))
    assert notices(timezone.now()) == []


def test_a_quota_that_ends_soon_is_shown_until_it_has_ended(client):
    now = timezone.now()
    until = int(now.timestamp()) + 86_400
    event = link_event("quota_expire_soon", until - 90_000, ExpireTime=until, ExpireQuotaNum=40)
    deliver(client, event)
    [notice] = notices(now)
    assert "40" in notice.words
    assert notices(now + timedelta(days=2)) == []


def test_a_dead_link_is_shown_once_for_a_week(client):
    now = timezone.now()
    at = int(now.timestamp()) - 60
    deliver(client, link_event("link_unavailable", at, LinkId="ca1"))
    deliver(client, link_event("delete_link", at + 10, LinkId="ca1"))
    deliver(client, link_event("link_unavailable", at, LinkId="ca2"))
    shown = [notice.words for notice in notices(now)]
    assert len(shown) == 2
    assert "ca1" in shown[0] and "删除" in shown[0]
    assert notices(now + timedelta(days=8)) == []


@pytest.mark.parametrize("value", ["", "x", "9" * 40, "0"])
def test_a_notice_with_a_senseless_number_is_left_out(client, value):
    at = int(timezone.now().timestamp())
    deliver(client, link_event("quota_expire_soon", at, ExpireTime=value, ExpireQuotaNum=value))
    assert notices(timezone.now()) == []
