"""Tagging everybody in a list: from the press of the button until the last edit is queued.

Servers and database are the bench's own, in a folder that is deleted. The rival writes the same
links by one plain SQL statement: no wish, no way back, nothing that WeCom would hear of. Undoing
the whole is measured too.
"""

import resource
import time
from typing import Any

from django.core.management.base import CommandParser
from django.db import connection
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.models import Agent, User
from crm.customers.models import Tag, TagGroup
from crm.outbox.models import OutboxItem
from crm.shared.own_servers import bench_apart
from crm.tagging import bulk
from crm.tagging.models import TagEdit

NAME = "tagging"
HELP = "one tag on everybody in a list, against plain SQL"
AGENTS = 100

_LOAD = """
insert into crm_customer (external_userid, name, name_sort, search, avatar, gender, phone, city,
    stage, is_friend, tag_ids, group_count, order_count, paid_cents, origin, created_at, updated_at)
select 'wmBench' || n, 'c' || n, 'c' || n, '{}', '', 0, '', '', 'familiarity', true, '{}', 0, 0, 0,
       'wecom', now(), now()
from generate_series(1, %(people)s) as n;
insert into crm_contact (customer_id, agent_id, status, added_at, add_way, state, remark,
    description, created_at, updated_at)
select c.id, a.id, 'active', now(), 1, '', '', '', now(), now()
from crm_customer c
join (select id, row_number() over (order by id) - 1 as place from crm_agent) a
    on a.place = c.id %% %(agents)s;
analyze crm_customer, crm_contact;
"""
_PLAIN = """
insert into crm_contact_tags (contact_id, tag_id) select id, %s from crm_contact
"""


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--customers", type=int, default=100_000, help="default 100000")
    parser.add_argument("--here", action="store_true", help="use this database (it must be empty)")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Make the customers, tag them all, take it back."""
    if options["here"]:
        return measure(options["customers"])
    return bench_apart(NAME, [f"--customers={options['customers']}"])


def measure(people: int) -> dict[str, Any]:
    """Everything, on an empty database."""
    if Agent.unsafe_all.exists():
        raise RuntimeError("bench tagging --here needs an empty database")
    tags = _load(people)
    by = User.objects.create(username="bench", role=Role.OPERATOR)
    plain_s = _timed(lambda: _plain(tags[1]))
    batch = bulk.start_bulk(query="", adds=[tags[0]], removes=[], by=by, now=timezone.now())
    seconds = _timed(lambda: bulk.run_tagging(batch.job_id, now=timezone.now()))
    queued = OutboxItem.unsafe_all.filter(kind="tag").count()
    undo = bulk.start_undo(batch=batch, by=by, now=timezone.now())
    undo_s = _timed(lambda: bulk.run_tagging(undo.pk, now=timezone.now()))
    unwanted = TagEdit.unsafe_all.filter(is_wanted=False).count()
    return {
        "scale": {"customers": people, "agents": AGENTS},
        "measured": {
            "seconds": seconds,
            "queued": queued,
            "complete": queued == unwanted == people,
            "undo_seconds": undo_s,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        },
        "rivals": {"plain_sql": {"seconds": plain_s}},
        "ratios": {"ours_over_plain_sql": round(seconds / max(plain_s, 0.001), 1)},
        "goals": {"seconds": "< 60 at 100000 customers", "complete": True},
    }


def _load(people: int) -> list[Tag]:
    Agent.unsafe_all.bulk_create(Agent(userid=f"bench{n}", name=f"bench{n}") for n in range(AGENTS))
    group = TagGroup.objects.create(wecom_id="etBench", name="bench")
    tags = [Tag.objects.create(wecom_id=f"et{n}", name=f"t{n}", group=group) for n in range(2)]
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, {"people": people, "agents": AGENTS})
    return tags


def _plain(tag: Tag) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_PLAIN, [tag.pk])


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return round(time.perf_counter() - begun, 2)
