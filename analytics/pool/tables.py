"""The balance in rows, made once: the page's table and the file are the same rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from analytics.figures.numbers import Number, meaning
from analytics.pool.balance import Balance, BalanceDay
from analytics.pool.figures import definition_of, labels
from crm.shared.formatting import day as day_text
from crm.shared.formatting import digits, share


@dataclass(frozen=True)
class Row:
    """One day: numbers that open, in the order of the heads, and the gross."""

    label: str
    numbers: list[Number]
    began: int
    ended: int


@dataclass(frozen=True)
class Cover:
    """One line of how far the pools reach."""

    label: str
    value: str
    note: str


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


def rows(answer: Balance, people: str) -> list[Row]:
    """Days from the youngest; ``people`` is the address of the figures."""
    note = meaning(definition_of(answer.question), data_time=answer.data_time)
    names, codes = labels(), columns(answer)

    def number(day: BalanceDay, code: str) -> Number:
        href = f"{people}&{urlencode({'what': code, 'on': day.on.isoformat()})}"
        return Number(value_of(day, code), href, f"{day_text(day.on)} {names[code]}", note)

    return [
        Row(day_text(day.on), [number(day, code) for code in codes], day.began, day.ended)
        for day in reversed(answer.days)
    ]


def link(people: str, what: str) -> Any:
    """Addresses of the people of a day, for the picture."""

    def of(on: date) -> str:
        return f"{people}&{urlencode({'what': what, 'on': on.isoformat()})}"

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


def coverage(answer: Balance) -> list[Cover]:
    """People and relations side by side, so that nobody takes one for the other."""
    per_group = answer.memberships / answer.groups if answer.groups else None
    until = day_text(answer.question.until)
    return [
        Cover(_("好友（人）"), digits(answer.friends), _("截至 %(day)s") % {"day": until}),
        Cover(
            _("好友关系"),
            digits(answer.relations),
            _("一位客户可以是几位员工的好友"),
        ),
        Cover(
            _("群成员（人）"),
            digits(answer.members),
            _("相当于好友人数的 %(share)s") % {"share": share(answer.members, answer.friends)},
        ),
        Cover(_("群成员身份"), digits(answer.memberships), _("一位客户可以在几个群里")),
        Cover(
            _("客户群"),
            digits(answer.groups),
            _("平均每群 %(n)s 个客户成员") % {"n": digits(per_group, 1)},
        ),
        Cover(
            _("净增与毛增"),
            digits(answer.closing - answer.opening),
            _("净增人数；毛增：建立 %(began)s，结束 %(ended)s")
            % {
                "began": digits(answer.total("began")),
                "ended": digits(answer.total("ended")),
            },
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
