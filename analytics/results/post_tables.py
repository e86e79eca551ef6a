"""Posts and what followed as rows of pages and files."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from analytics.figures.numbers import Number, opening
from analytics.results.aftermath import Aftermath, Excess
from analytics.results.post_figures import (
    AFTER_MOMENT,
    AFTER_POSTS,
    LABELS,
    VIEWERS,
    post_name,
)
from analytics.results.posts import OUTCOMES, Account, Post, Viewers
from crm.moments.models import Moment


@dataclass(frozen=True)
class AccountRow:
    """One account."""

    agent: str
    posts: int
    risky: int
    deletions: Number
    usual: str
    is_warned: bool


@dataclass(frozen=True)
class PostRow:
    """One post after which more people left than usual."""

    agent: str
    at: datetime
    words: str
    moment_id: int | None
    deletions: Number
    usual: str
    p_value: float


def account_rows(found: list[Account], days: int) -> list[AccountRow]:
    """Accounts, warned ones first."""
    return [
        AccountRow(
            row.agent,
            len(row.posts),
            len(row.risky),
            opening(AFTER_POSTS, len(row.people), row.agent, range=days, agent=row.agent_id),
            f"{row.usual:.1f}",
            row.is_warned,
        )
        for row in found
    ]


def risky_rows(found: list[Account], days: int) -> list[PostRow]:
    """Posts with more deletions than usual, latest first."""
    rows = [_post_row(row, post, after, days) for row in found for post, after in row.risky]
    return sorted(rows, key=lambda row: row.at, reverse=True)


def _post_row(account: Account, post: Post, after: Aftermath, days: int) -> PostRow:
    label = f"{account.agent} {post.words}"
    query = {"range": days, "agent": account.agent_id, "post": post_name(post.key)}
    return PostRow(
        account.agent,
        post.at,
        post.words,
        post.moment_id,
        opening(AFTER_POSTS, len(after.people), label, **query),
        f"{after.usual:.1f}",
        after.p_value,
    )


def viewer_rows(
    moment: Moment, found: Viewers, days: int
) -> list[tuple[str, Number, float | None]]:
    """(words, number, share of those who could see it), the visible first."""
    all_of_them = len(found.people["visible"])
    rows = []
    for what in OUTCOMES:
        label, n = str(LABELS[what]), len(found.people[what])
        number = opening(VIEWERS, n, label, moment=moment.pk, days=days, what=what)
        share = n / all_of_them if all_of_them and what != "visible" else None
        rows.append((label, number, share))
    return rows


def moment_together(excess: Excess | None, moment: Moment) -> Number | None:
    """Everybody who left after a post, each once; the figure lists them."""
    if excess is None:
        return None
    return opening(AFTER_MOMENT, len(excess.people), _("合计（每人一次）"), moment=moment.pk)


def file_header() -> list[str]:
    """Columns of the file of posts."""
    return [
        _("员工"), _("发表时间"), _("正文"), _("48 小时内的删除"), _("平常"), _("p 值"),
        _("高于平常"),
    ]  # fmt: skip


def file_rows(found: list[Account]) -> Iterator[list[object]]:
    """Every post of every account."""
    for account in found:
        for post, after in account.posts:
            yield [
                account.agent, post.at, post.words, after.deletions, round(after.usual, 3),
                round(after.p_value, 6), after.is_high,
            ]  # fmt: skip
