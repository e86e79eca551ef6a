"""Keyset paging walks a list both ways without losing or repeating a row."""

from datetime import timedelta

import pytest
from django.db import models

from crm.agents.models import Agent, AuditEntry
from crm.shared import paging
from tests.factories import START, make_agent

pytestmark = pytest.mark.django_db


def walk(queryset: models.QuerySet, order, *, size: int = 3) -> list[list[int]]:
    """Primary keys page by page to the end, then the same way back, which must agree."""
    pages, params = [], {}
    while True:
        page = paging.keyset_page(queryset, order=order, params=params, size=size)
        pages.append(page)
        if not page.after:
            break
        params = {"after": page.after}
    for shown in reversed(pages[:-1]):
        page = paging.keyset_page(queryset, order=order, params={"before": page.before}, size=size)
        assert [row.pk for row in page] == [row.pk for row in shown]
    assert not page.before or len(pages) == 1
    return [[row.pk for row in page] for page in pages]


def agents(*left_days: int | None) -> list[int]:
    return [
        make_agent(left_at=None if day is None else START + timedelta(days=day)).pk
        for day in left_days
    ]


@pytest.mark.parametrize("order", [["left_at"], ["-left_at"], ["-left_at", "name_sort"], ["-pk"]])
def test_every_row_comes_once_whatever_the_order(order):
    made = agents(3, 1, None, 2, 2, 2, None, 5, 1, None)
    seen = [pk for page in walk(Agent.unsafe_all.all(), order) for pk in page]
    assert sorted(seen) == sorted(made)


def test_empty_values_stand_last_in_both_directions():
    first, nobody, second = agents(1, None, 2)
    assert walk(Agent.unsafe_all.all(), ["left_at"]) == [[first, second, nobody]]
    assert walk(Agent.unsafe_all.all(), ["-left_at"]) == [[second, first, nobody]]


def test_rows_added_meanwhile_move_no_page():
    agents(*range(1, 7))
    queryset = Agent.unsafe_all.all()
    page = paging.keyset_page(queryset, order=["-left_at"], params={}, size=3)
    agents(99)
    following = paging.keyset_page(
        queryset, order=["-left_at"], params={"after": page.after}, size=3
    )
    assert [row.left_at for row in following] == [START + timedelta(days=d) for d in (3, 2, 1)]


@pytest.mark.parametrize("cursor", ["x", "eyJ4Ijox:forged", "a" * 4000, "\x00"])
def test_a_forged_cursor_shows_the_first_page(cursor):
    agents(1, 2)
    page = paging.keyset_page(
        Agent.unsafe_all.all(), order=["left_at"], params={"after": cursor}, size=1
    )
    assert not page.before
    assert len(page) == 1


def test_a_cursor_of_another_order_shows_the_first_page():
    agents(1, 2, 3)
    queryset = Agent.unsafe_all.all()
    page = paging.keyset_page(queryset, order=["left_at"], params={}, size=1)
    turned = paging.keyset_page(queryset, order=["-left_at"], params={"after": page.after}, size=1)
    assert not turned.before


def test_an_annotation_may_be_the_order():
    agents(1, 2, 3, 4)
    queryset = Agent.unsafe_all.annotate(length=models.functions.Length("name"))
    assert sum(map(len, walk(queryset, ["-length"]))) == 4


def test_long_lists_are_counted_by_estimate(monkeypatch):
    monkeypatch.setattr(paging, "EXACT_UP_TO", 3)
    agents(1, 2, 3, 4, 5)
    assert paging.count(Agent.unsafe_all.all())[1] is False
    assert paging.count(Agent.unsafe_all.filter(left_at=START + timedelta(days=1))) == (1, True)


def test_an_empty_list_has_one_empty_page():
    page = paging.keyset_page(AuditEntry.objects.all(), order=["-at"], params={})
    assert (page.rows, page.after, page.before, page.total) == ([], "", "", 0)
