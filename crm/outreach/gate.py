"""A send before the gate: judged when it is planned, and again when a batch goes out."""

from datetime import datetime

from django.db import connection

from crm.gate import slots
from crm.gate.judging import Judgement, judgement, rules_at
from crm.gate.models import Channel, TouchRule
from crm.outreach.models import MassBatch, MassSend

# What counts as having been written to: every mass message that a customer received or is about
# to. What an agent sent of their own accord has no kind of content.
TOUCHES = """
select slot.customer_id as receiver_id, slot.day, slot.taken_at, slot.recipient_id,
    of_send.content_kind
from crm_sendslot slot
left join crm_massrecipient to_whom on to_whom.id = slot.recipient_id
left join crm_masssend of_send on of_send.id = to_whom.send_id
where slot.customer_id is not null
"""
# The same of groups.
POSTS = TOUCHES.replace("slot.customer_id", "slot.group_id")
_OTHERS = " and to_whom.batch_id is distinct from %(batch)s"

_LEAVE_OUT = """
with judged as (
    select r.id, {says} as place
    from crm_massrecipient r
    where r.batch_id = %(batch)s and r.state = 'waiting' and r.{receiver} is not null
)
update crm_massrecipient r
set state = 'skipped', reason = (%(gate_reasons)s::text[])[judged.place],
    rule = (%(gate_codes)s::text[])[judged.place],
    rule_version = (%(gate_versions)s::int[])[judged.place]
from judged where r.id = judged.id and judged.place > 0
"""


def judged(content_kind: str, *, at: datetime, to_groups: bool = False) -> Judgement:
    """The gate's word on a customer, or a group, named ``wanted.id``, for a plan."""
    channel, _receiver, touches = _of(to_groups)
    rules = rules_at(at, content_kind, channel)
    return judgement(rules, receiver="wanted.id", touches=touches, at=at)


def pass_gate(batch: MassBatch, *, now: datetime) -> None:
    """Skip whom a rule leaves in peace now, and take units of the caps for all others."""
    send: MassSend = batch.send
    channel, receiver, touches = _of(send.is_to_groups)
    rules = rules_at(now, send.content_kind, channel)
    if not rules:
        return
    said = judgement(rules, receiver=f"r.{receiver}", touches=touches + _OTHERS, at=now)
    with connection.cursor() as cursor:
        statement = _LEAVE_OUT.format(says=said.sql, receiver=receiver)
        cursor.execute(statement, said.named | {"batch": batch.pk})
    for rule in rules:
        if rule.test == TouchRule.Check.OWN_CAP:
            slots.reserve(rule, batch_id=batch.pk, touches=touches, now=now)


def _of(to_groups: bool) -> tuple[str, str, str]:
    """Channel, column of the receiver, and what counts as touches of it."""
    if to_groups:
        return Channel.GROUP, "group_id", POSTS
    return Channel.SEND, "customer_id", TOUCHES
