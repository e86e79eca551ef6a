"""The balance in rows, made once: the page's table and the file are the same rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from analytics.figures.numbers import Number, meaning
from analytics.pool.balance import Balance, BalanceDay
from analytics.pool.figures import (
    NAME,
    RELATIONS,
    definition_of,
    labels,
    line_labels,
    lines_definition,
)
from crm.shared.formatting import day as day_text
from crm.shared.formatting import digits, share


@dataclass(frozen=True)
class Row:
    """One day, or all of them: numbers that open, in the order of the heads, the gross last."""

    label: str
    numbers: list[Number]


@dataclass(frozen=True)
class Cover:
    """One line of how far the pools reach; the number opens, a difference stands as a value."""

    label: str
    note: str
    number: Number | None = None
    value: str = ""


class Addresses:
    """Where the numbers of a balance open: people of a day, and what does not count people."""

    def __init__(self, query: QueryDict) -> None:
        self._query = query

    def people(self, what: str, on: date, **other: str) -> str:
        """The people behind a number of a day."""
        return self._of(NAME, what=what, on=on.isoformat(), **other)

    def lines(self, what: str, on: date | None = None, **other: str) -> str:
        """The lines behind a number of a day, or of all days."""
        day = {"on": on.isoformat()} if on else {}
        return self._of(RELATIONS, what=what, **day, **other)

    def _of(self, figure: str, **asked: str) -> str:
        query = urlencode(self._query.dict() | asked)
        return f"{reverse('analytics:figures:people', args=[figure])}?{query}"


def columns(answer: Balance) -> list[str]:
    """Codes of the columns, in order."""
    question = answer.question
    return ["opening", *question.ins, "came", *question.outs, "went", "closing"]


def heads(answer: Balance) -> list[str]:
    """Heads of those columns."""
    names = labels()
    return [names[code] for code in columns(answer)]


def value_of(day: BalanceDay, code: str) -> int:
    """The number of one column."""
    if code in ("opening", "closing", "came", "went"):
        return getattr(day, code)
    return day.reasons[code]


def rows(answer: Balance, addresses: Addresses) -> list[Row]:
    """Days from the youngest."""
    note = meaning(definition_of(answer.question), data_time=answer.data_time)
    gross = meaning(lines_definition(answer.question, "began"), data_time=answer.data_time)
    names, codes = line_labels(answer.question), columns(answer)

    def numbers(day: BalanceDay) -> list[Number]:
        when = day_text(day.on)
        found = [
            Number(
                value_of(day, code), addresses.people(code, day.on), f"{when} {names[code]}", note
            )
            for code in codes
        ]
        return found + [
            Number(value, addresses.lines(code, day.on), f"{when} {names[code]}", gross)
            for code, value in (("began", day.began), ("ended", day.ended))
        ]

    return [Row(day_text(day.on), numbers(day)) for day in reversed(answer.days)]


def total_row(answer: Balance, addresses: Addresses) -> Row:
    """All days: the first opening, the last closing, and how often in between."""
    question, names = answer.question, line_labels(answer.question)
    ends = {
        "opening": (answer.opening, addresses.people("opening", question.since)),
        "closing": (answer.closing, addresses.people("closing", question.until)),
    }
    found = []
    for code in (*columns(answer), "began", "ended"):
        value, href = ends.get(code) or (answer.total(code), addresses.lines(code))
        note = meaning(lines_definition(question, code), data_time=answer.data_time)
        found.append(Number(value, href, names[code], note))
    return Row(_("合计"), found)


def link(addresses: Addresses, what: str) -> Any:
    """Addresses of the people of a day, for the picture."""

    def of(on: date) -> str:
        return addresses.people(what, on)

    return of


def finding(answer: Balance) -> str:
    """The answer in a sentence."""
    came, went = answer.total("came"), answer.total("went")
    words = _("期初 %(opening)s 人，进入 %(came)s，离开 %(went)s，期末 %(closing)s 人")
    return words % {
        "opening": digits(answer.opening),
        "came": digits(came),
        "went": digits(went),
        "closing": digits(answer.closing),
    }


def coverage(answer: Balance, addresses: Addresses) -> list[Cover]:
    """People and relations side by side, so that nobody takes one for the other."""
    per_group = answer.memberships / answer.groups if answer.groups else None
    until = answer.question.until

    def people(label: str, value: int, pool: str) -> Number:
        return Number(value, addresses.people("closing", until, pool=pool), label)

    def lines(label: str, value: int, what: str, pool: str) -> Number:
        return Number(value, addresses.lines(what, pool=pool), label)

    friends, relations = _("好友（人）"), _("好友关系")
    members, memberships, groups = _("群成员（人）"), _("群成员身份"), _("客户群")
    return [
        Cover(
            friends,
            _("截至 %(day)s") % {"day": day_text(until)},
            people(friends, answer.friends, "friends"),
        ),
        Cover(
            relations,
            _("一位客户可以是几位员工的好友"),
            lines(relations, answer.relations, "standing", "friends"),
        ),
        Cover(
            members,
            _("相当于好友人数的 %(share)s") % {"share": share(answer.members, answer.friends)},
            people(members, answer.members, "groups"),
        ),
        Cover(
            memberships,
            _("一位客户可以在几个群里"),
            lines(memberships, answer.memberships, "standing", "groups"),
        ),
        Cover(
            groups,
            _("平均每群 %(n)s 个客户成员") % {"n": digits(per_group, 1)},
            lines(groups, answer.groups, "groups", "groups"),
        ),
        Cover(
            _("净增与毛增"),
            _("净增人数；毛增：建立 %(began)s，结束 %(ended)s")
            % {
                "began": digits(answer.total("began")),
                "ended": digits(answer.total("ended")),
            },
            value=digits(answer.closing - answer.opening),
        ),
    ]


def file_header(answer: Balance) -> list[str]:
    """Columns of the file."""
    return [_("日期"), *heads(answer), _("建立次数"), _("结束次数"), _("数据时间")]


def file_rows(answer: Balance) -> Iterator[list[Any]]:
    """Days in order."""
    codes = columns(answer)
    for day in answer.days:
        numbers = [value_of(day, code) for code in codes]
        yield [day.on.isoformat(), *numbers, day.began, day.ended, answer.data_time]
