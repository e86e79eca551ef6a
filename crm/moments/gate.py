"""A moment before the gate: how many of those who would see it are better left in peace.

A moment's range knows agents and tags, not single customers, so nobody can be left out of it. A
rule of this channel therefore says how large their share may be; above it the moment is not
submitted, and not handed to WeCom either if it has grown too large in the meantime.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from crm.gate.judging import judgement, rules_at
from crm.gate.models import Channel, TouchRule
from crm.moments.audience import Choice, customer_ids
from crm.moments.models import Moment
from crm.shared.formatting import digits
from crm.shared.formatting import rate as rate_text
from crm.shared.times import corp_zone

# What counts as a touch: every post that WeCom says a customer could see, but for this one.
_SEEN = """
select seen.customer_id as receiver_id,
    (coalesce(task.published_at, of_moment.publish_at) at time zone %(zone)s)::date as day,
    coalesce(task.published_at, of_moment.publish_at) as taken_at, '' as content_kind
from crm_momentaudience seen
join crm_momenttask task on task.id = seen.task_id
join crm_moment of_moment on of_moment.id = task.moment_id
where of_moment.id is distinct from %(moment)s::bigint
"""
_COUNT = """
select count(*) filter (where {says} > 0)
from unnest(%(readers)s::bigint[]) as reader(id)
"""


@dataclass(frozen=True)
class Word:
    """What one rule says of a moment: of ``readers``, so many it leaves in peace."""

    rule: str
    version: int
    test: str
    words: str
    people: int
    readers: int
    most_percent: int

    @property
    def share(self) -> float:
        return self.people / self.readers if self.readers else 0.0

    @property
    def is_no(self) -> bool:
        return self.people * 100 > self.most_percent * self.readers

    @property
    def told(self) -> str:
        """The word for people, with the rule, its version and the numbers."""
        return _(
            "规则 %(rule)s（版本 %(version)s，%(words)s）："
            "看得到的 %(readers)s 位客户里有 %(people)s 位（%(share)s）不该打扰"
        ) % {
            "rule": self.rule,
            "version": self.version,
            "words": self.words,
            "readers": digits(self.readers),
            "people": digits(self.people),
            "share": rate_text(self.share),
        }

    def as_json(self) -> dict[str, Any]:
        """The word as it is kept with the moment, yes or no."""
        return {
            "rule": self.rule,
            "version": self.version,
            "test": self.test,
            "people": self.people,
            "readers": self.readers,
            "most_percent": self.most_percent,
            "is_no": self.is_no,
        }


def words_on(
    choice: Choice, agent_ids: Collection[int], *, at: datetime, moment_id: int | None = None
) -> list[Word]:
    """What every rule in force at ``at`` says of a post by these agents, in the order of codes."""
    rules = rules_at(at, channel=Channel.MOMENT)
    if not rules:
        return []
    readers = customer_ids(choice, agent_ids)
    return [_word(rule, readers, at=at, moment_id=moment_id) for rule in rules]


def _word(rule: TouchRule, readers: list[int], *, at: datetime, moment_id: int | None) -> Word:
    said = judgement([rule], receiver="reader.id", touches=_SEEN, at=at)
    values = {"readers": readers, "zone": corp_zone().key, "moment": moment_id}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT.format(says=said.sql), values | said.named)
        [people] = cursor.fetchone()
    return Word(
        rule=rule.code,
        version=rule.version,
        test=rule.test,
        words=rule.in_words,
        people=people,
        readers=len(readers),
        most_percent=rule.most_percent or 0,
    )


def first_no(words: list[Word]) -> Word | None:
    """The rule that stops it, if any."""
    return next((word for word in words if word.is_no), None)


def kept_words(moment: Moment) -> list[str]:
    """What the rules said of a moment the last time they were asked, yes or no."""
    words = _(
        "规则 %(rule)s（版本 %(version)s）：%(readers)s 位里 %(people)s 位不该打扰，至多 %(most)s%%"
    )
    return [
        words
        % {
            "rule": word["rule"],
            "version": word["version"],
            "readers": digits(word["readers"]),
            "people": digits(word["people"]),
            "most": word["most_percent"],
        }
        for word in moment.gate
    ]
