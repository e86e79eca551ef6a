"""Working time: days counted by hand, then rosters at random against a minute-by-minute count."""

import random
from datetime import date, datetime, time, timedelta

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.shared.times import corp_zone
from crm.worktime.hours import Hours, WorkClock, work_intervals
from crm.worktime.models import CalendarDay, Shift
from crm.worktime.queries import calendar, work_clocks, years_without_calendar
from tests.factories import make_agent, make_department, make_user

OFFICE = Hours(frozenset(range(5)), time(9), time(18))
NIGHT = Hours(frozenset({4, 5}), time(22), time(6), ignores_calendar=True)
ZONE = corp_zone()


def local(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


def hours_between(clock: WorkClock, start: str, end: str) -> float:
    [seconds] = clock.between(np.array([local(start)]), np.array([local(end)]))
    return seconds / 3600


def clock_of(*shifts: Hours, days=None, first="2026-09-14", last="2026-10-18") -> WorkClock:
    ends = {"first": date.fromisoformat(first), "last": date.fromisoformat(last)}
    return WorkClock(work_intervals((shifts,), days or {}, zone=ZONE, **ends))


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-09-14T10:00", "2026-09-14T10:30", 0.5),
        ("2026-09-14T23:00", "2026-09-15T09:15", 0.25),
        ("2026-09-14T23:00", "2026-09-15T08:00", 0),
        ("2026-09-18T17:00", "2026-09-21T10:00", 2),
        ("2026-09-14T17:59", "2026-09-14T18:30", 1 / 60),
        ("2026-09-14T00:00", "2026-09-21T00:00", 45),
    ],
)
def test_nights_and_weekends_do_not_count(start, end, hours):
    assert hours_between(clock_of(OFFICE), start, end) == pytest.approx(hours)


@pytest.mark.django_db
def test_holidays_do_not_count_and_make_up_workdays_do():
    clock = clock_of(OFFICE, days=calendar())
    # National day 2026: off from 1 to 7 October; Sunday 20 September and Saturday 10 October work.
    assert hours_between(clock, "2026-09-30T17:00", "2026-10-08T10:00") == pytest.approx(2)
    assert hours_between(clock, "2026-09-20T00:00", "2026-09-21T00:00") == pytest.approx(9)
    assert hours_between(clock, "2026-10-10T00:00", "2026-10-12T00:00") == pytest.approx(9)


def test_a_night_shift_belongs_to_the_day_on_which_it_began():
    clock = clock_of(NIGHT)
    assert hours_between(clock, "2026-09-18T23:58", "2026-09-19T00:03") == pytest.approx(5 / 60)
    assert hours_between(clock, "2026-09-18T00:00", "2026-09-18T22:00") == 0
    assert hours_between(clock, "2026-09-18T12:00", "2026-09-20T12:00") == pytest.approx(16)


def test_overlapping_shifts_count_once():
    late = Hours(frozenset(range(5)), time(14), time(21))
    assert hours_between(
        clock_of(OFFICE, late), "2026-09-14T00:00", "2026-09-15T00:00"
    ) == pytest.approx(12)


def test_the_end_of_a_shift_is_after_work():
    at = np.array([local(f"2026-09-14T{clock}") for clock in ("08:59", "09:00", "17:59", "18:00")])
    assert list(clock_of(OFFICE).runs_at(at)) == [False, True, True, False]


def test_without_work_the_clock_stands_still():
    clock = WorkClock([])
    at = np.array([0.0, 1e9])
    assert list(clock.reading(at)) == [0, 0]
    assert not clock.runs_at(at).any()


def random_roster(dice: random.Random) -> tuple:
    def hours() -> Hours:
        begins = date(2026, 9, 14) + timedelta(days=dice.randint(-3, 8))
        return Hours(
            frozenset(dice.sample(range(7), dice.randint(1, 7))),
            time(dice.randrange(24), dice.randrange(60)),
            time(dice.randrange(24), dice.randrange(60)),
            valid_from=begins,
            valid_to=dice.choice([None, begins + timedelta(days=dice.randint(0, 6))]),
            ignores_calendar=dice.random() < 0.3,
        )

    return tuple(tuple(hours() for _s in range(dice.randint(1, 3))) for _l in range(3))


def at_work(roster, days, minute: datetime) -> bool:
    """Slow and obvious: whether any shift of today or of yesterday covers this minute."""
    for day in (minute.date(), minute.date() - timedelta(days=1)):
        level = next((lv for lv in roster if any(h.holds_on(day) for h in lv)), ())
        for hours in (h for h in level if h.holds_on(day)):
            weekday = day.weekday() if hours.ignores_calendar else days.get(day, day.weekday())
            begin = datetime.combine(day, hours.starts)
            end = datetime.combine(day, hours.ends)
            end += timedelta(days=hours.ends <= hours.starts)
            if weekday in hours.weekdays and begin <= minute < end:
                return True
    return False


def test_random_rosters_count_like_a_walk_minute_by_minute():
    dice = random.Random("worktime")
    start = datetime.fromisoformat("2026-09-14")
    for _round in range(25):
        roster = random_roster(dice)
        days = {start.date() + timedelta(days=n): dice.choice([None, 0, 6]) for n in (2, 3, 6)}
        intervals = work_intervals(
            roster, days, first=date(2026, 9, 13), last=date(2026, 9, 24), zone=ZONE
        )
        minutes = [start + timedelta(minutes=n) for n in range(8 * 1440)]
        working = np.array([at_work(roster, days, minute) for minute in minutes])
        walked = np.concatenate(([0], np.cumsum(working))) * 60
        base = start.replace(tzinfo=ZONE).timestamp()
        at = base + 60.0 * np.arange(len(walked))
        clock = WorkClock(intervals)
        assert np.allclose(clock.between(np.full(len(at), base), at), walked)
        assert (clock.runs_at(at[:-1]) == working).all()


@pytest.mark.django_db
def test_the_nearest_shifts_count():
    company = make_department()
    team = make_department(parent=company)
    plain, of_team, own = make_agent(), make_agent(department=team), make_agent(department=team)
    every_day = {"weekdays": list(range(7)), "ignores_calendar": True}
    Shift.objects.create(name="公司", starts=time(9), ends=time(11), **every_day)
    Shift.objects.create(
        name="部门", department=company, starts=time(9), ends=time(12), **every_day
    )
    Shift.objects.create(name="本人", agent=own, starts=time(9), ends=time(13), **every_day)
    day = date(2026, 9, 14)
    clocks = work_clocks([plain, of_team, own], first=day, last=day)
    worked = [
        hours_between(clocks[agent.pk], "2026-09-14T00:00", "2026-09-15T00:00")
        for agent in (plain, of_team, own)
    ]
    assert worked == [2, 3, 4]


@pytest.mark.django_db
def test_a_row_of_the_calendar_goes_before_the_shipped_file():
    assert calendar()[date(2026, 10, 1)] is None
    CalendarDay.objects.create(day=date(2026, 10, 1), works_as=3)
    assert calendar()[date(2026, 10, 1)] == 3
    assert years_without_calendar(date(2026, 1, 1), date(2031, 1, 1))[-1] == 2031


@pytest.mark.django_db
@pytest.mark.parametrize("weekdays", ["", "7", "0,1,2,-1", "周一"])
def test_a_shift_without_a_weekday_is_refused_in_the_admin(client, weekdays):
    client.force_login(make_user(Role.ADMIN))
    values = {"name": "早班", "starts": "09:00", "ends": "18:00", "valid_from": "2026-01-01"}
    address = reverse("admin:crm_shift_add")
    response = client.post(address, values | {"weekdays": weekdays})
    assert "weekdays" in response.context["adminform"].form.errors
    client.post(address, values | {"weekdays": "0,1,2,3,4"})
    assert Shift.objects.get().weekdays == [0, 1, 2, 3, 4]
    assert AuditEntry.objects.filter(action="shift.save").exists()


def test_a_shift_that_ends_before_it_begins_to_count_is_refused():
    shift = Shift(weekdays=[0], valid_from=date(2026, 2, 1), valid_to=date(2026, 1, 1))
    with pytest.raises(ValidationError) as caught:
        shift.clean()
    assert set(caught.value.message_dict) == {"valid_to"}
