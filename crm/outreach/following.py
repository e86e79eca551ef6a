"""Asking WeCom what became of a batch: there is no callback for any of it.

First whether the agent has pressed send, then what each recipient got. Every answer is stored as it
comes, so a round that fails half-way loses nothing and the next one goes on.
"""

from datetime import datetime, timedelta
from itertools import islice

from django.conf import settings
from django.db import connection, transaction

from crm import wecom
from crm.outreach.models import MassBatch
from crm.shared.leases import Turn, renewed
from crm.wecom import Client, Misconfigured, NotReachable, OutcomeUnknown, Refused, RetryLater
from crm.wecom.mass_records import MassResultSeen, MassStatus

TROUBLE_WAIT = timedelta(seconds=30)
OVER = timedelta(days=7)
# How often we ask, by the time since the agent got it: (younger than, every).
PACE = (
    (timedelta(hours=1), timedelta(minutes=1)),
    (timedelta(hours=6), timedelta(minutes=5)),
    (timedelta(days=2), timedelta(minutes=30)),
    (OVER, timedelta(hours=2)),
)
A_ROUND = 50
CHUNK = 1000

_STORE = """
with seen as (
    select * from unnest(%(keys)s::text[], %(statuses)s::int[], %(times)s::timestamptz[])
        as s(key, status, sent_at)
)
update crm_massrecipient r set result = seen.status, sent_at = seen.sent_at
from seen
left join crm_customer c on c.external_userid = seen.key
left join crm_group g on g.chat_id = seen.key
where r.batch_id = %(batch)s and r.state = 'done'
  and (r.customer_id = c.id or r.group_id = g.id)
"""

# A unit counts on the day of receipt; who received nothing gives theirs back.
_MOVE = """
update crm_sendslot s set day = (r.sent_at at time zone %(zone)s)::date
from crm_massrecipient r
where s.recipient_id = r.id and r.batch_id = %(batch)s and r.result = %(sent)s
  and r.sent_at is not null and s.day <> (r.sent_at at time zone %(zone)s)::date
"""
_FREE = """
delete from crm_sendslot s using crm_massrecipient r
where s.recipient_id = r.id and r.batch_id = %(batch)s and r.result = any(%(nothing)s)
"""


def due_batches(now: datetime) -> list[int]:
    """Batches whose next question is due, longest waiting first."""
    due = MassBatch.unsafe_all.filter(follow_at__lte=now).order_by("follow_at")
    return list(due.values_list("pk", flat=True)[:A_ROUND])


def follow(batch_id: int, *, now: datetime) -> bool:
    """One round for one batch; False when another worker has it or nothing is due."""
    turn = Turn(MassBatch.unsafe_all.filter(pk=batch_id), now=now)
    if not turn.take():
        return False
    batch = MassBatch.unsafe_all.select_related("agent").get(pk=batch_id)
    try:
        with renewed(turn.renew, name=f"follow-batch-{batch_id}"):
            error, wait = "", _ask(batch, wecom.client(), now)
    except (RetryLater, NotReachable, OutcomeUnknown, Misconfigured, Refused) as trouble:
        error, wait = trouble.token[:255], TROUBLE_WAIT
        if now - (batch.accepted_at or now) >= OVER:
            wait = None
    MassBatch.unsafe_all.filter(pk=batch_id).update(
        follow_at=None if wait is None else now + wait, followed_at=now, follow_error=error
    )
    return True


def _ask(batch: MassBatch, client: Client, now: datetime) -> timedelta | None:
    """The next question; returns how long until the one after, None when it is over."""
    tasks = {task.userid: task for task in client.mass_send_tasks(batch.msgid)}
    task = tasks.get(batch.agent.userid)
    if task is not None and task.is_sent:
        _store(batch, client, confirmed_at=task.sent_at or now)
        waiting = batch.recipients.filter(state="done").exclude(
            result__in=[MassStatus.SENT, MassStatus.NOT_FRIEND, MassStatus.CAPPED]
        )
        if not waiting.exists():
            return None
    elif batch.stopped_at:
        return None
    age = now - (batch.accepted_at or now)
    return next((every for younger, every in PACE if age < younger), None)


def _store(batch: MassBatch, client: Client, *, confirmed_at: datetime) -> None:
    """What each recipient got, a thousand at a time."""
    results = client.mass_send_results(batch.msgid, batch.agent.userid)
    while chunk := tuple(islice(results, CHUNK)):
        _write(batch, chunk)
    MassBatch.unsafe_all.filter(pk=batch.pk).update(confirmed_at=confirmed_at)


def _write(batch: MassBatch, chunk: tuple[MassResultSeen, ...]) -> None:
    values = {
        "batch": batch.pk,
        "keys": [row.external_userid or row.chat_id for row in chunk],
        "statuses": [int(row.status) for row in chunk],
        "times": [row.sent_at for row in chunk],
        "zone": settings.CORP_TIME_ZONE,
        "sent": int(MassStatus.SENT),
        "nothing": [int(MassStatus.NOT_FRIEND), int(MassStatus.CAPPED)],
    }
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (_STORE, _MOVE, _FREE):
            cursor.execute(statement, values)
