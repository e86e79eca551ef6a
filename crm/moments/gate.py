"""A moment before the gate: how many of those who would see it are better left in peace.

A moment's range knows agents and tags, not single customers, so nobody can be left out of it. A
rule of this channel therefore says how large their share may be; above it the moment is not
submitted, and not handed to WeCom either if it has grown too large in the meantime.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from crm.gate.judging import judgement, rules_at
from crm.gate.models import Channel, TouchRule
from crm.moments.audience import Choice, customer_ids
from crm.moments.models import Moment
from crm.shared import faults
from crm.shared.formatting import digits
from crm.shared.formatting import rate as rate_text
from crm.shared.times import corp_zone

# What counts as a touch: every other post that WeCom says a customer could see, once, whoever
# showed it; and one that is with agents, for all whom they would show it to until WeCom tells. In a
# plan those count too that are approved and go out before.
_TOUCHES = """
drop table if exists pg_temp.moment_touch;
create temporary table moment_touch on commit drop as
with posted as (
    select task.id, task.agent_id, post.id as moment_id,
        coalesce(task.published_at, post.publish_at) as at,
        task.collected_at is null and not task.is_invalid and (
            post.state = any(%(with_agents)s)
            or %(is_plan)s and post.state = 'approved' and post.publish_at <= %(at)s) as is_open,
        exists (select from crm_moment_tags t where t.moment_id = post.id) as is_narrow
    from crm_momenttask task join crm_moment post on post.id = task.moment_id
    where post.id is distinct from %(moment)s::bigint
      and coalesce(task.published_at, post.publish_at) >= %(since)s
), shown as (
    select seen.customer_id, posted.moment_id, posted.at
    from posted join crm_momentaudience seen on seen.task_id = posted.id
    union all
    select friend.customer_id, posted.moment_id, posted.at
    from posted
    join crm_contact friend on friend.agent_id = posted.agent_id and friend.status = 'active'
    where posted.is_open and (
        not posted.is_narrow
        or exists (select from crm_moment_tags narrowed
                   join crm_contact_tags carried on carried.tag_id = narrowed.tag_id
                   where narrowed.moment_id = posted.moment_id and carried.contact_id = friend.id))
)
select customer_id as receiver_id, (min(at) at time zone %(zone)s)::date as day,
    min(at) as taken_at, '' as content_kind
from shown
group by customer_id, moment_id;
create index on moment_touch (receiver_id);
analyze moment_touch
"""
# No window of a cap is longer.
_LOOK_BACK = timedelta(days=32)
_WITH_AGENTS = (
    *(Moment.State.CREATING, Moment.State.UNCERTAIN),
    *(Moment.State.CREATED, Moment.State.PUBLISHING),
)
_TURN_LOCK = 7_302_021
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
    choice: Choice,
    agent_ids: Collection[int],
    *,
    at: datetime,
    moment_id: int | None = None,
    is_plan: bool = True,
) -> list[Word]:
    """What every rule in force at ``at`` says of a post by these agents, in the order of codes.

    ``is_plan``: posts that are approved for a time before ``at`` count as if they had gone out.
    """
    rules = rules_at(at, channel=Channel.MOMENT)
    if not rules:
        return []
    readers = customer_ids(choice, agent_ids)
    values = {"at": at, "since": at - _LOOK_BACK, "zone": corp_zone().key, "moment": moment_id}
    values |= {"is_plan": is_plan, "with_agents": list(_WITH_AGENTS)}
    with transaction.atomic(), connection.cursor() as cursor:
        if any(rule.test == TouchRule.Check.OWN_CAP for rule in rules):
            cursor.execute(_TOUCHES, values)
        return [_word(rule, readers, at=at, cursor=cursor) for rule in rules]


def last_words_on(moment: Moment, agent_ids: Collection[int], *, now: datetime) -> list[Word]:
    """What the rules say of a post that goes out now, in the caller's transaction.

    Until that ends nobody else is answered: two posts that asked together would both be told that
    there is room for one.
    """
    if faults.guarded("gate.moments"):
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s)", [_TURN_LOCK])
    return words_on(Choice.of(moment), agent_ids, at=now, moment_id=moment.pk, is_plan=False)


def _word(rule: TouchRule, readers: list[int], *, at: datetime, cursor: Any) -> Word:
    touches = "select * from moment_touch"
    said = judgement([rule], receiver="reader.id", touches=touches, at=at)
    cursor.execute(_COUNT.format(says=said.sql), said.named | {"readers": readers})
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
