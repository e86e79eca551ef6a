"""The inside of `bench delivery`: a company of friends, the send, the count from the ledger."""

import http.client
import io
import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from crm import wecom
from crm.agents.access import Role
from crm.agents.models import Agent, Department, User
from crm.audiences.models import Audience
from crm.outbox.models import OutboxItem, QuietHours
from crm.outreach.actions import approve_send, draft_send
from crm.outreach.content import SendContent, content_hash
from crm.outreach.models import MassRecipient, MassSend
from crm.outreach.planning import plan
from crm.wecom.errors import OutcomeUnknown

METHOD = "externalcontact/add_msg_template"
WORDS, NAIVE_WORDS = "早安！三亚今天二十七度。", "早安！大理今天十九度。"
PATIENCE_SECONDS = 3_600

_CUSTOMERS = """
insert into crm_customer (external_userid, name, name_sort, search, avatar, gender, phone, city,
    stage, is_friend, friend_since, tag_ids, group_count, order_count, paid_cents, origin,
    created_at, updated_at)
select 'wmBench' || lpad(n::text, 8, '0'), 'customer ' || n, '', '{}', '', 0, '', '',
       'acquaintance', true, %(now)s, '{}', 0, 0, 0, 'bench', %(now)s, %(now)s
from generate_series(1, %(people)s) n
"""
_CONTACTS = """
insert into crm_contact (customer_id, agent_id, status, added_at, add_way, state, remark,
    description, created_at, updated_at)
select c.id, (%(agents)s::bigint[])[1 + substr(c.external_userid, 8)::integer %% %(count)s],
       'active', %(now)s, 1, '', '', '', %(now)s, %(now)s
from crm_customer c where c.origin = 'bench'
"""
_MEMBERS = """
insert into crm_audiencemember (audience_id, customer_id)
select %s, id from crm_customer where origin = 'bench'
"""


def measure(store: Path, *, recipients: int, batch: int, every: int) -> dict[str, Any]:
    """Plan, dispatch and count; on an empty database beside an empty sandbox."""
    agents = _company(store, recipients)
    send, plan_s = _planned(recipients, batch)
    _control("faults", method=METHOD, kind="effect_then_drop", every=every)
    begun = time.perf_counter()
    peak_mb = _dispatch_all()
    seconds = time.perf_counter() - begun
    arrived = _arrived(WORDS)
    naive_s, naive = _naive(send, every)
    states = Counter(send.recipients.values_list("state", flat=True))
    calls = sum(1 for entry in _ledger() if WORDS in entry["body"])
    return {
        "scale": {"recipients": recipients, "batch": batch, "every": every, "agents": agents},
        "measured": {
            "duplicates": sum(times - 1 for times in arrived.values()),
            "lost": recipients - len(arrived),
            "seconds": round(seconds, 1),
            "peak_mb": peak_mb,
            "plan_seconds": round(plan_s, 1),
            "calls": calls,
            "calls_unanswered": calls // every,
            "adopted": _adopted(),
            "recipients_per_s": round(recipients / seconds),
            "states": dict(states),
            "adds_up": sum(states.values()) == send.planned == recipients,
        },
        "rivals": {
            "call_and_call_again": {
                "seconds": round(naive_s, 1),
                "duplicates": sum(times - 1 for times in naive.values()),
                "lost": recipients - len(naive),
            }
        },
        "ratios": {"ours_over_call_and_call_again": round(seconds / naive_s, 2)},
        "goals": {"duplicates": 0, "lost": 0, "peak_mb": "< 300"},
    }


def _company(store: Path, people: int) -> int:
    """The same friends on both sides: in the sandbox's world and in our tables."""
    call_command("sync", full=True, stdout=io.StringIO())
    now = timezone.now()
    with closing(sqlite3.connect(store / "world.sqlite3", timeout=60)) as world:
        members = [
            userid
            for (userid,) in world.execute(
                "select userid from members where visible and follows and status = 1"
                " order by userid"
            )
        ]
        names = [f"wmBench{n:08d}" for n in range(1, people + 1)]
        world.executemany(
            "insert into contacts (external_userid, name, type, gender) values (?, ?, 1, 0)",
            [(name, name) for name in names],
        )
        world.executemany(
            "insert into relations (userid, external_userid, createtime, add_way, oper_userid)"
            " values (?, ?, ?, 1, ?)",
            [
                (userid, name, int(now.timestamp()), userid)
                for n, name in enumerate(names, start=1)
                for userid in [members[n % len(members)]]
            ],
        )
        world.commit()
    ids = dict(Agent.unsafe_all.filter(userid__in=members).values_list("userid", "pk"))
    values = {"now": now, "people": people, "agents": [ids[m] for m in members]}
    with connection.cursor() as cursor:
        cursor.execute(_CUSTOMERS, values)
        cursor.execute(_CONTACTS, values | {"count": len(members)})
        cursor.execute("analyze")
    return len(members)


def _planned(people: int, batch: int) -> tuple[MassSend, float]:
    """A send to everybody, planned in batches of this size and approved."""
    now = timezone.now()
    # Whatever the hour: quiet hours have tests of their own.
    for rule in QuietHours.in_force(now).values():
        QuietHours.objects.create(
            code=rule.code, valid_from=now, is_off=True, starts=rule.starts, ends=rule.ends
        )
    author = User.objects.create(username="bench", role=Role.OPERATOR)
    approver = User.objects.create(username="bench_manager", role=Role.MANAGER)
    approver.departments.set(Department.objects.filter(parent__isnull=True))
    audience = Audience.unsafe_all.create(
        name="bench", frozen_at=now, customer_count=people, created_by=author
    )
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERS, [audience.pk])
    content = SendContent(title="bench", send_at=now, audience_id=audience.pk, text=WORDS)
    send = draft_send(content=content, by=author, now=now)
    begun = time.perf_counter()
    with transaction.atomic():
        send.planned = plan(send, now=now, batch_size=batch)
        send.state, send.submitted_by, send.submitted_at = MassSend.State.WAITING, author, now
        send.save()
    spent = time.perf_counter() - begun
    return approve_send(send_id=send.pk, seen_hash=content_hash(send), by=approver, now=now), spent


def _dispatch_all() -> int:
    """Run `manage.py dispatch` until nothing is open; returns the most memory it held, in MB."""
    process = subprocess.Popen(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "dispatch"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    watched, peak = psutil.Process(process.pid), 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while OutboxItem.unsafe_all.open().exclude(state=OutboxItem.State.PARKED).exists():
            if process.poll() is not None:
                raise RuntimeError("the dispatcher ended")
            if time.monotonic() > deadline:
                raise RuntimeError("the send did not end in an hour")
            peak = max(peak, watched.memory_info().rss)
            time.sleep(0.2)
    finally:
        process.terminate()
        process.wait(timeout=60)
    return peak >> 20


def _adopted() -> int:
    """Calls without an answer whose task was found at WeCom and taken over."""
    return OutboxItem.unsafe_all.filter(
        kind="mass_send", state=OutboxItem.State.DONE, checks__gt=0
    ).count()


def _naive(send: MassSend, every: int) -> tuple[float, Counter]:
    """The same calls without an outbox: where no answer came, call again."""
    _control("faults", verb="DELETE")
    _control("faults", method=METHOD, kind="effect_then_drop", every=every)
    client = wecom.client()
    begun = time.perf_counter()
    for batch in send.batches.select_related("agent"):
        who = MassRecipient.unsafe_all.filter(batch=batch).order_by("pk")
        userids = list(who.values_list("customer__external_userid", flat=True))
        for _attempt in range(5):
            try:
                client.create_mass_send(
                    sender=batch.agent.userid, external_userids=userids, text=NAIVE_WORDS
                )
                break
            except OutcomeUnknown:
                continue
    return time.perf_counter() - begun, _arrived(NAIVE_WORDS)


def _arrived(words: str) -> Counter:
    """How often each person is in a task with these words, by the ledger."""
    people: Counter = Counter()
    for entry in _ledger():
        if words in entry["body"]:
            people.update(json.loads(entry["body"])["external_userid"])
    return people


def _ledger() -> list[dict[str, Any]]:
    found = _control(f"ledger?method={METHOD}", verb="GET")
    for entry in found:
        if not isinstance(entry["body"], str):
            entry["body"] = json.dumps(entry["body"], ensure_ascii=False)
    return found


def _control(path: str, *, verb: str = "POST", **body: Any) -> Any:
    """The sandbox's control API."""
    address = urlsplit(settings.WECOM_BASE_URL)
    line = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
    headers = {"Content-Type": "application/json"}
    line.request(verb, f"/_sandbox/{path}", json.dumps(body), headers)
    response = line.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"the sandbox refused {path}: {answer[:200]!r}")
    return json.loads(answer) if answer else None
