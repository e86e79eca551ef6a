"""Retention, slow and obvious: one customer at a time, one day at a time."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")


def months(day: date) -> int:
    return day.year * 12 + day.month


def cohort_of(day: date, period: str) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def period_days(birth: date, j: int, *, period: str, mode: str, brackets) -> tuple[date, date]:
    """First and last day of period j of somebody born on `birth`."""
    if brackets:
        low = 1 if j == 0 else brackets[j - 1] + 1
        return birth + timedelta(days=low), birth + timedelta(days=brackets[j])
    if mode == "rolling":
        length = {"day": 1, "week": 7, "month": 30}[period]
        first = birth + timedelta(days=j * length)
        return first, first + timedelta(days=length - 1)
    if period == "month":
        number = months(birth) - 1 + j
        first = date(number // 12, number % 12 + 1, 1)
        number += 1
        return first, date(number // 12, number % 12 + 1, 1) - timedelta(days=1)
    length = 7 if period == "week" else 1
    first = cohort_of(birth, period) + timedelta(days=j * length)
    return first, first + timedelta(days=length - 1)


def retained(log, question, data_end: datetime) -> dict:
    """{(cohort, j): (set of eligible, set of returned)} and {cohort: set of born}."""
    birth_event, return_event = question.birth.event, question.comes_back.event
    end = question.as_of or data_end
    born: dict[date, set] = {}
    cells: dict[tuple[date, int], tuple[set, set]] = {}
    for customer in {who for who, _at, _event in log}:
        events = sorted((at, event) for who, at, event in log if who == customer)
        if question.as_of:
            events = [(at, event) for at, event in events if at <= question.as_of]
        births = [at for at, event in events if event == birth_event]
        if not births:
            continue
        birth_at = births[0]
        birth = birth_at.astimezone(ZONE).date()
        if question.since and birth < question.since:
            continue
        if question.until and birth > question.until:
            continue
        cohort = cohort_of(birth, question.period)
        born.setdefault(cohort, set()).add(customer)
        days = set()
        skipped = False
        for at, event in events:
            if event != return_event or at < birth_at:
                continue
            day = at.astimezone(ZONE).date()
            if event == birth_event:
                if not skipped and at == birth_at:
                    skipped = True
                    continue
                if day == birth:
                    continue
            days.add(day)
        last = len(question.brackets) if question.brackets else 60
        for j in range(last):
            low, high = period_days(
                birth, j, period=question.period, mode=question.mode, brackets=question.brackets
            )
            if datetime.combine(high + timedelta(days=1), datetime.min.time(), ZONE) > end:
                continue
            eligible, returned = cells.setdefault((cohort, j), (set(), set()))
            eligible.add(customer)
            if question.kind == "on_or_after":
                came = any(day >= low for day in days)
            else:
                came = any(low <= day <= high for day in days)
            if came:
                returned.add(customer)
    return {"born": born, "cells": cells}
