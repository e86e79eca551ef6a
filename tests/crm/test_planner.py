"""Everything that goes out on one calendar, with what a day is, and moved to another day."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import chinese_calendar
import pytest
from chinese_calendar.constants import holidays
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.audiences.models import Audience
from crm.moments.models import Moment
from crm.outbox.models import OutboxItem
from crm.outreach.models import MassSend
from crm.planner.calendar import entries, read_calendar
from crm.planner.occasions import LUNAR, TERMS, almanac, occasions
from crm.shared.times import day_start, local_day
from crm.worktime.queries import shipped_calendar
from tests.crm.test_outreach import SendWorld
from tests.factories import make_user

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


# Days


@pytest.mark.parametrize(
    ("day", "lunar", "name"),
    [
        (date(2025, 1, 29), (1, 1), "春节"),
        (date(2026, 2, 16), (12, 29), "除夕"),
        (date(2026, 2, 17), (1, 1), "春节"),
        (date(2027, 2, 6), (1, 1), "春节"),
        (date(2026, 6, 19), (5, 5), "端午节"),
        (date(2026, 9, 25), (8, 15), "中秋节"),
        (date(2026, 10, 18), (9, 9), "重阳节"),
        (date(2026, 4, 5), (2, 18), "清明"),
        (date(2026, 12, 22), (11, 14), "冬至"),
        (date(2026, 5, 10), (3, 24), "母亲节"),
        (date(2025, 7, 25), (-6, 1), None),  # The first day of a leap month.
    ],
)
def test_days_bear_the_names_that_everybody_knows(day, lunar, name):
    found = almanac(day)
    assert found.lunar == lunar
    assert name is None or name in map(str, found.names)


@pytest.mark.parametrize("year", [2024, 2025, 2033, 2089])  # 2033: a leap month at the year's end.
def test_every_year_has_each_solar_term_once_and_festivals_only_in_their_month(year):
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(365 + (year % 4 == 0))]
    names = Counter(str(name) for day in days for name in almanac(day).names)
    assert {str(name): names[str(name)] for name in TERMS} == dict.fromkeys(map(str, TERMS), 1)
    # A festival falls on its lunar date, never into the leap month; a year's end may hold two.
    for (month, number), name in LUNAR.items():
        bearing = [day for day in days if name in almanac(day).names]
        assert all(almanac(day).lunar == (month, number) for day in bearing)
        assert len(bearing) <= 2


def test_the_shipped_holidays_are_those_that_were_announced():
    """Against a list that others keep."""
    ours = shipped_calendar()
    years = sorted({day.year for day in ours})
    assert set(years) <= {day.year for day in holidays}
    for year in years:
        for day in (date(year, 1, 1) + timedelta(days=n) for n in range(365)):
            works = ours[day] is not None if day in ours else day.weekday() < 5
            assert works == chinese_calendar.is_workday(day), day


def test_beyond_the_known_years_days_bear_their_solar_names_only():
    assert almanac(date(2100, 12, 31)).names == ()
    assert [str(name) for name in almanac(date(2100, 12, 25)).names] == ["圣诞节"]


@pytest.mark.django_db
def test_a_make_up_workday_works_and_a_holiday_rests():
    days = occasions(date(2026, 9, 20), date(2026, 10, 10))
    assert days[date(2026, 10, 1)].is_work is False
    assert [day for day, what in days.items() if what.is_work] == [
        day for day in days if day.weekday() >= 5 and chinese_calendar.is_workday(day)
    ]
    assert days[date(2026, 10, 9)].is_work is None


# What goes out


@pytest.fixture
def world(sandbox, settings, db):
    return SendWorld(sandbox, settings)


def whole_month(user, day: date, **more):
    return read_calendar(
        user, view="month", on=day, channels=more.get("channels", ()), now=timezone.now()
    )


def on(calendar, day: date):
    return next(cell for week in calendar.weeks for cell in week if cell.on == day)


@pytest.mark.django_db
def test_all_channels_stand_on_one_calendar_and_missed_ones_say_so(world):
    moment = world.approved(text="早安", title="早安")
    send = world.sent(text="早")
    draft = MassSend.unsafe_all.create(
        title="没送审",
        text="x",
        send_at=world.clock() - timedelta(minutes=1),
        content_hash="x",
        created_by=world.author,
    )
    day = local_day(world.clock())
    found = entries(
        world.author,
        first=day,
        last=day + timedelta(days=2),
        channels=(),
        now=world.clock(),
    )
    by_title = {(entry.channel, entry.title): entry for entry in found}
    assert by_title["moment", "早安"].id == moment.pk
    assert by_title["send", "早安"].id == send.pk
    missed = by_title["send", "没送审"]
    assert (missed.id, missed.is_missed, missed.level) == (draft.pk, True, "bad")
    only = entries(world.author, first=day, last=day, channels=["moment"], now=world.clock())
    assert {entry.channel for entry in only} <= {"moment"}


@pytest.mark.django_db
def test_one_audience_twice_on_a_day_is_a_clash(world):
    day = local_day(world.clock()) + timedelta(days=3)
    at = day_start(day) + timedelta(hours=10)
    for hours in (0, 2):
        MassSend.unsafe_all.create(
            title=f"{hours}",
            text="x",
            send_at=at + timedelta(hours=hours),
            content_hash="x",
            audience=world.everybody,
            created_by=world.author,
        )
    (words,) = on(whole_month(world.author, day), day).extra.clashes
    assert "2" in words
    other = Audience.unsafe_all.create(
        name="别人", frozen_at=at, customer_count=0, created_by=world.author
    )
    MassSend.unsafe_all.filter(title="2").update(audience=other)
    assert on(whole_month(world.author, day), day).extra.clashes == ()


@pytest.mark.django_db
def test_a_send_that_is_moved_keeps_its_approval_and_its_queue_follows(world, client):
    send = world.sent(text="改期")
    day = local_day(send.send_at) + timedelta(days=5)
    client.force_login(world.author)
    asked = {"channel": "send", "id": send.pk, "version": send.version, "day": day.isoformat()}
    back = reverse("crm:planner:calendar") + "?view=agenda"
    answer = client.post(reverse("crm:planner:move"), asked | {"next": back})
    assert answer.url == back
    before, clock = send.send_at, timezone.localtime(send.send_at).time()
    send.refresh_from_db()
    assert (local_day(send.send_at), timezone.localtime(send.send_at).time()) == (day, clock)
    assert send.state == MassSend.State.APPROVED
    due = OutboxItem.unsafe_all.filter(kind="mass_send").values_list("due_at", flat=True)
    assert set(due) == {send.send_at} != {before}
    world.work()
    assert not world.arrived("改期")
    # Whoever looks at the old page is told, and nothing moves.
    client.post(reverse("crm:planner:move"), asked | {"day": "2027-01-01"})
    assert MassSend.unsafe_all.get(pk=send.pk).send_at == send.send_at


@pytest.mark.django_db
def test_a_moment_is_moved_and_the_past_is_refused(world, client):
    moment = world.approved(text="早安")
    day = local_day(moment.publish_at) + timedelta(days=2)
    client.force_login(world.author)
    asked = {"channel": "moment", "id": moment.pk, "version": moment.version}
    client.post(reverse("crm:planner:move"), asked | {"day": day.isoformat()})
    moment.refresh_from_db()
    assert local_day(moment.publish_at) == day
    page = client.post(
        reverse("crm:planner:move"),
        asked | {"version": moment.version, "day": "2020-01-01"},
        follow=True,
    )
    assert Moment.unsafe_all.get(pk=moment.pk).publish_at == moment.publish_at
    assert [str(message) for message in page.context["messages"]]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong", [{"day": "x"}, {"id": "x"}, {"version": ""}, {"day": "1999-01-01"}]
)
def test_a_senseless_move_is_not_found(client, wrong):
    client.force_login(make_user(Role.OPERATOR))
    asked = {"channel": "send", "id": "1", "version": "1", "day": "2026-12-01"} | wrong
    assert client.post(reverse("crm:planner:move"), asked).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("view", ["month", "week", "agenda"])
def test_a_month_of_two_thousand_items_costs_a_handful_of_queries(client, view):
    author = make_user(Role.OPERATOR)
    start = datetime(2026, 12, 1, 1, tzinfo=UTC)
    MassSend.unsafe_all.bulk_create(
        MassSend(
            title=f"群发 {n}",
            text="x",
            send_at=start + timedelta(minutes=20 * n),
            content_hash="x",
            created_by=author,
        )
        for n in range(2_000)
    )
    client.force_login(author)
    url = reverse("crm:planner:calendar") + f"?view={view}&on=2026-12-08"
    client.get(url)
    cache.clear()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get(url).status_code == 200
    assert len(asked) <= 12
