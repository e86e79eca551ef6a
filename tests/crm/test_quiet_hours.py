"""Quiet hours as people see them before they plan: until when, by whose clock, and too late."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.acquisition.handlers import KIND as WELCOME
from crm.agents.access import Role
from crm.audiences.actions import freeze_audience
from crm.moments.models import Moment
from crm.outbox import registry
from crm.outbox.arbiter import put_off, quiet_until
from crm.outbox.dispatcher import dispatch
from crm.outbox.models import OutboxItem, QuietHours
from crm.outreach import actions
from crm.outreach.content import SendContent
from crm.outreach.models import MassSend
from crm.tagging.corp_tag_handlers import KIND as NEW_TAG
from crm.tagging.handlers import KIND as TAG
from tests.factories import make_agent, make_department, make_friend, make_user

LATEST = timedelta(hours=12)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def quiet(code: str = "night", starts: int = 22, ends: int = 8, **given) -> QuietHours:
    values = {"zone": "Asia/Shanghai", "valid_from": SINCE} | given
    return QuietHours.objects.create(code=code, starts=time(starts), ends=time(ends), **values)


def at(hour: int, day: int = 20) -> datetime:
    return datetime(2026, 11, day, hour, 30, tzinfo=SHANGHAI)


# What the words rest on


@pytest.mark.django_db
def test_by_day_nothing_waits_and_by_night_it_waits_for_the_morning():
    rule = quiet()
    assert put_off("mass_send", at=at(12), latest=LATEST) is None
    found = put_off("mass_send", at=at(23), latest=LATEST)
    assert (found.rule, found.is_too_late) == (rule, False)
    assert found.until == datetime(2026, 11, 21, 8, tzinfo=SHANGHAI)


@pytest.mark.django_db
def test_it_is_the_rules_clock_that_counts():
    quiet(zone="America/New_York")
    assert put_off("mass_send", at=at(23), latest=LATEST) is None
    assert put_off("mass_send", at=at(12), latest=LATEST).until == at(21) - timedelta(minutes=30)


@pytest.mark.django_db
def test_hours_that_follow_on_others_add_up_and_the_first_is_named():
    first = quiet("a", 22, 6)
    quiet("b", 6, 8)
    found = put_off("mass_send", at=at(23), latest=LATEST)
    assert (found.rule, found.until.astimezone(SHANGHAI).hour) == (first, 8)


@pytest.mark.django_db
def test_other_kinds_do_not_wait_and_a_rule_to_come_does_not_hold_yet():
    quiet(kinds=["group_post"])
    assert put_off("mass_send", at=at(23), latest=LATEST) is None
    assert put_off("group_post", at=at(23), latest=LATEST)
    quiet("later", kinds=["mass_send"], valid_from=at(0, 22))
    assert put_off("mass_send", at=at(23), latest=LATEST) is None
    assert put_off("mass_send", at=at(23, 22), latest=LATEST)


@pytest.mark.django_db
@given(start=st.integers(0, 23), length=st.integers(1, 23), hour=st.integers(0, 23))
def test_whatever_is_promised_is_neither_quiet_nor_later_than_needed(start, length, hour):
    QuietHours.objects.all().delete()
    quiet("any", start, (start + length) % 24)
    found = put_off("mass_send", at=at(hour), latest=timedelta(days=2))
    if found is None:
        assert quiet_until("mass_send", now=at(hour)) is None
        return
    assert quiet_until("mass_send", now=found.until) is None
    assert quiet_until("mass_send", now=found.until - timedelta(minutes=1))
    assert found.until - at(hour) <= timedelta(hours=length)


# The pages


@pytest.fixture
def send(client, db) -> MassSend:
    """Planned for half past eight in the evening of a day to come."""
    operator = make_user(Role.OPERATOR)
    client.force_login(operator)
    root = make_department()
    friend = make_friend(make_agent(department=root))
    now = timezone.now()
    audience = freeze_audience(name="老友", customer_ids=[friend.pk], by=operator, now=now)
    evening = (timezone.localtime(now) + timedelta(days=2)).replace(hour=20, minute=30, second=0)
    content = SendContent(title="晚安", text="早", audience_id=audience.pk, send_at=evening)
    draft = actions.draft_send(content=content, by=operator, now=now)
    draft.root = root
    return draft


def page_of(client, send: MassSend) -> str:
    return client.get(reverse("crm:outreach:detail", args=[send.pk])).content.decode()


def dry_run_of(client, send: MassSend) -> str:
    said = {
        "target": "customers",
        "audience": send.audience_id,
        "content_kind": "promotion",
        "send_at": timezone.localtime(send.send_at).strftime("%Y-%m-%dT%H:%M"),
    }
    return client.post(reverse("crm:outreach:plan"), said).content.decode()


def test_a_send_into_the_night_says_so_before_and_after_it_is_saved(client, send):
    for page in (page_of, dry_run_of):
        assert "安静时段" not in page(client, send)
    quiet(starts=20)
    for page in (page_of, dry_run_of):
        told = page(client, send)
        assert "规则 night，版本 1，按 Asia/Shanghai 的时间，不分客户在哪里" in told
        assert "将顺延到" in told
    MassSend.unsafe_all.update(state=MassSend.State.STOPPED)
    assert "安静时段" not in page_of(client, send)


def test_a_send_that_would_wait_too_long_says_that_it_will_not_go_out_and_it_does_not(client, send):
    quiet(starts=20, ends=9)
    for page in (page_of, dry_run_of):
        assert "不会发出：请改时间" in page(client, send)
    now, manager = timezone.now(), make_user(Role.MANAGER, departments=[send.root])
    said = {"send_id": send.pk, "now": now}
    waiting = actions.submit_send(version=send.version, by=send.created_by, **said)
    actions.approve_send(seen_hash=waiting.content_hash, by=manager, **said)
    dispatch(clock=lambda: send.send_at)
    item = OutboxItem.unsafe_all.get()
    assert (item.state, item.reason_code) == (OutboxItem.State.WAITING, "rule")
    dispatch(clock=lambda: item.due_at + timedelta(seconds=1))
    item.refresh_from_db()
    assert (item.state, item.reason_code) == (OutboxItem.State.FAILED, "too_late")


def test_the_rules_page_tells_quiet_hours_in_force_and_to_come_and_whose_clock(client, send):
    address = reverse("crm:outreach:rules")
    assert "任何时刻都会发出" in client.get(address).content.decode()
    quiet(kinds=["mass_send", "gone"])
    quiet("sunday", 0, 9, valid_from=timezone.now() + timedelta(days=9))
    told = client.get(address).content.decode()
    assert "22:00–08:00 Asia/Shanghai · 群发、gone" in told
    assert "00:00–09:00 Asia/Shanghai · 所有主动触达" in told
    assert "即将生效" in told and "超过 12 小时的不再发出" in told and "不逐人换算" in told


def test_a_moment_into_the_night_says_so_until_wecom_has_it(client, send):
    moment = Moment.unsafe_all.create(
        title="晚安",
        text="早",
        publish_at=send.send_at,
        publish_wall="2026-11-20T20:30",
        content_hash="x",
        created_by=send.created_by,
    )
    address = reverse("crm:moments:detail", args=[moment.pk])
    quiet(starts=20, kinds=["moment.create"])
    assert "规则 night，版本 1" in client.get(address).content.decode()
    Moment.unsafe_all.update(state=Moment.State.CREATED)
    assert "规则 night" not in client.get(address).content.decode()


@pytest.mark.django_db
def test_what_answers_a_customer_or_calls_something_off_does_not_wait_unless_it_is_named():
    quiet()
    kinds = {handler.kind for handler in registry.kinds()}
    held = {kind for kind in kinds if quiet_until(kind, now=at(23))}
    assert held >= {*actions.KIND.values(), "moment.create", "moment.remind"}
    assert kinds - held == {WELCOME, actions.STOP, "moment.cancel", TAG, NEW_TAG}
    quiet("named", kinds=[WELCOME])
    assert quiet_until(WELCOME, now=at(23))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "field"),
    [({"ends": time(22)}, "ends"), ({"ends": time(8), "kinds": ["mass_sned"]}, "kinds")],
)
def test_hours_that_never_end_and_kinds_that_nothing_has_are_refused(given, field):
    with pytest.raises(ValidationError) as refused:
        QuietHours(code="x", starts=time(22), valid_from=SINCE, **given).full_clean()
    assert field in refused.value.message_dict
