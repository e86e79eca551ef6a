"""The inside of `bench plan`."""

import time
from collections import Counter
from datetime import timedelta
from typing import Any

import psutil
from django.db import connection, transaction
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.models import Agent, User
from crm.audiences.models import Audience, AudienceMember
from crm.customers.models import Contact, Customer
from crm.gate.models import TouchRule
from crm.outreach.actions import draft_send
from crm.outreach.caps import SendSlot, window_at
from crm.outreach.content import SendContent
from crm.outreach.models import MassSend, OptOut
from crm.outreach.planning import dry_run, plan
from crm.timeline.models import Fact
from crm.timeline.queries import KIND_IDS

AGENTS = 60
ONE_BY_ONE = 2_000

_FILL = (
    """
insert into crm_customer (id, external_userid, name, name_sort, search, avatar, gender, phone,
    city, stage, is_friend, friend_since, tag_ids, group_count, order_count, paid_cents, origin,
    created_at, updated_at)
select n, 'wm' || n, 'customer ' || n, '', '{}', '', 0, '', '', 'acquaintance', true, %(now)s, '{}',
       0, 0, 0, 'bench', %(now)s, %(now)s
from generate_series(1, %(people)s) n
""",
    """
insert into crm_contact (customer_id, agent_id, status, added_at, add_way, state, remark,
    description, created_at, updated_at)
select c.id, (%(agents)s::bigint[])[1 + (c.id + second * 7) %% 60], 'active',
       %(now)s - interval '30 days', 1, '', '', '', %(now)s, %(now)s
from crm_customer c, generate_series(0, 1) second
where second = 0 or c.id %% 10 = 0
""",
    """
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, source, source_key,
    properties)
select customer_id, %(sent)s, %(now)s - (id %% 900) * interval '1 hour', %(now)s, agent_id, 'bench',
       'sent:' || id, '{}'
from crm_contact
""",
    """
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, source, source_key,
    properties)
select id, %(received)s, %(now)s - (id %% 37) * interval '1 day' - interval '1 hour', %(now)s,
       null, 'bench', 'received:' || id, '{}'
from crm_customer
""",
    """
insert into crm_optout (customer_id, since, note)
select id, %(now)s, '' from crm_customer where id %% 20 = 3
""",
    """
insert into crm_sendslot (customer_id, bucket, day, msgid, taken_at)
select c.id, %(bucket)s, %(first)s, 'own' || n, %(now)s
from crm_customer c, generate_series(1, %(cap)s) n where c.id %% 20 = 5
""",
)


# The gate's rules: the second keeps nobody out, so that everybody is asked about both.
_RULES = (
    {"code": "a-week", "test": TouchRule.Check.OWN_CAP, "limit": 2, "window": "month"},
    {"code": "b-quiet", "test": TouchRule.Check.IGNORED, "limit": 40, "days": 60},
    {"code": "c-need", "test": TouchRule.Check.NEED, "days": 30, "signals": ["message_received"]},
)


def measure(people: int) -> dict[str, Any]:
    """Everything, on an empty database."""
    if Customer.unsafe_all.exists():
        raise RuntimeError("bench plan --here needs an empty database")
    send = _draft(people)
    now = timezone.now()
    run_s, told = _timed(lambda: dry_run(audience_id=send.audience_id, send_at=now, now=now))
    process = psutil.Process()
    before = process.memory_info().rss
    with transaction.atomic():
        seconds, planned = _timed(lambda: plan(send, now=now))
    grown = process.memory_info().rss - before
    states = Counter(send.recipients.values_list("state", "reason"))
    loop_s, loop = _timed(lambda: _one_by_one(send, now))
    ours = dict(send.recipients.filter(customer_id__in=loop).values_list("customer_id", "reason"))
    return {
        "scale": {"recipients": people, "agents": AGENTS},
        "measured": {
            "seconds": round(seconds, 2),
            "peak_mb": process.memory_info().rss >> 20,
            "grown_mb": grown >> 20,
            "dry_run_seconds": round(run_s, 2),
            "planned": planned,
            "batches": send.batches.count(),
            "states": {" ".join(key).strip(): count for key, count in states.items()},
            "adds_up": sum(states.values()) == planned == told.planned == people,
            "equal": ours == loop,
        },
        "rivals": {"customer_by_customer": {"recipients": len(loop), "seconds": round(loop_s, 2)}},
        "ratios": {
            "loop_over_ours_per_recipient": round(
                (loop_s / len(loop)) / (seconds / max(planned, 1)), 1
            )
        },
        "goals": {"seconds": "< 20", "peak_mb": "< 300"},
    }


def _timed(work: Any) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def _draft(people: int) -> MassSend:
    now = timezone.now()
    agents = [Agent.unsafe_all.create(userid=f"a{n}", name=f"agent {n}").pk for n in range(AGENTS)]
    window = window_at(now)
    values = {
        "now": now,
        "people": people,
        "agents": agents,
        "sent": KIND_IDS["message_sent"],
        "received": KIND_IDS["message_received"],
        "bucket": window.bucket,
        "first": window.first,
        "cap": window.cap,
    }
    with connection.cursor() as cursor:
        for statement in _FILL:
            cursor.execute(statement, values)
    for rule in _RULES:
        TouchRule.objects.create(valid_from=now - timedelta(days=1), **rule)
    author = User.objects.create(username="bench", role=Role.OPERATOR)
    audience = Audience.unsafe_all.create(
        name="bench", frozen_at=now, customer_count=people, created_by=author
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into crm_audiencemember (audience_id, customer_id)"
            " select %s, id from crm_customer",
            [audience.pk],
        )
        cursor.execute("vacuum analyze")
    content = SendContent(title="bench", send_at=now, audience_id=audience.pk, text="bench")
    return draft_send(content=content, by=author, now=now)


def _one_by_one(send: MassSend, now: Any) -> dict[int, str]:
    """The same judgement as a loop over customers; returns the reason of each."""
    window = window_at(now)
    members = AudienceMember.objects.filter(audience=send.audience).order_by("customer_id")
    found = {}
    for pk in members.values_list("customer_id", flat=True)[:ONE_BY_ONE]:
        friends = Contact.unsafe_all.current().filter(customer_id=pk).select_related("agent")
        able = [contact for contact in friends if contact.agent.status == Agent.Status.ACTIVE]
        talks = {
            contact.agent_id: Fact.unsafe_all.filter(
                customer_id=pk,
                agent_id=contact.agent_id,
                kind_id__in=[KIND_IDS["message_sent"], KIND_IDS["message_received"]],
            )
            .order_by("-at")
            .first()
            for contact in able
        }
        received = SendSlot.objects.filter(
            customer_id=pk, day__gte=window.first, day__lte=window.last
        ).count()
        if OptOut.unsafe_all.filter(customer_id=pk).exists():
            found[pk] = "opted_out"
        elif not talks:
            found[pk] = "not_friend"
        elif received >= window.cap:
            found[pk] = "cap"
        elif received >= 2:
            found[pk] = "own_cap"
        else:
            answers = Fact.unsafe_all.filter(
                customer_id=pk, kind_id=KIND_IDS["message_received"], at__lte=now
            ).order_by("-at")
            last = answers.first()
            touches = SendSlot.objects.filter(customer_id=pk, taken_at__lt=now)
            ignored = touches.filter(taken_at__gt=last.at).count() >= 40
            fresh = last.at > now - timedelta(days=30)
            found[pk] = "ignored" if ignored else "" if fresh else "no_need"
    return found
