"""Asking WeCom how begun transfers stand, until each has ended.

WeCom has no event for success, so the results are asked for: every ten minutes while customers may
refuse, every minute once their day is over, at once when an event tells of a refusal.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from crm import wecom
from crm.agents.models import Agent
from crm.customers import actions as customers
from crm.customers.models import Contact
from crm.handover.handlers import REASON_OF, is_ours
from crm.handover.models import Handover, State, Transfer
from crm.tagging.actions import tag_contacts
from crm.wecom.transfer_records import TransferSeen, TransferStatus

EVERY = timedelta(minutes=10)
AFTER_THE_DAY = timedelta(minutes=1)
# A record may come a little later than the answer that told of its start.
UNLISTED_FOR = timedelta(hours=25)
ENDS = {
    TransferStatus.DONE: State.DONE,
    TransferStatus.REFUSED: State.REFUSED,
    TransferStatus.FULL: State.FULL,
}
log = structlog.get_logger(__name__)


def due_handovers(now: datetime) -> list[int]:
    """Handovers whose results are to be asked for."""
    due = Handover.unsafe_all.filter(follow_at__lte=now).order_by("follow_at")
    return list(due.values_list("pk", flat=True)[:100])


def follow(handover_id: int, *, now: datetime) -> int:
    """Ask for the results of one handover and write the ends; returns how many ended."""
    handover = Handover.unsafe_all.select_related("giver").get(pk=handover_id)
    waiting = Transfer.unsafe_all.filter(handover=handover, state=State.WAITING)
    takers = Agent.unsafe_all.filter(pk__in=waiting.values("taker"))
    ended = 0
    for taker in takers.order_by("pk"):
        try:
            seen = wecom.client().transfer_results(
                handover_userid=handover.giver.userid,
                takeover_userid=taker.userid,
                resigned=handover.is_resigned,
            )
        except wecom.WeComError as trouble:
            log.warning("handover.results", handover=handover_id, error=trouble.token)
            continue
        ended += _apply(handover, taker, seen, now=now)
    _carry(handover, now=now)
    _plan_next_look(handover, now=now)
    return ended


@transaction.atomic
def _apply(handover: Handover, taker: Agent, seen: Sequence[TransferSeen], *, now: datetime) -> int:
    customers.one_writer()
    listed = {one.external_userid: one for one in seen}
    rows = Transfer.unsafe_all.select_for_update(of=("self",)).filter(
        handover=handover, taker=taker, state=State.WAITING
    )
    ended = 0
    for row in rows.select_related("customer", "giver").order_by("customer_id"):
        one = listed.get(row.customer.external_userid)
        if one is None or one.status == TransferStatus.NO_RECORD:
            if now - row.started_at < UNLISTED_FOR:
                continue
            row.state, row.reason_code, row.ended_at = State.FAILED, "no_record", now
        elif one.status in ENDS and is_ours(one, row.started_at):
            row.state, row.ended_at = ENDS[one.status], one.at or now
            row.reason_code = REASON_OF.get(row.state, "")
        else:
            continue
        row.save()
        ended += 1
        if row.state == State.DONE:
            _gone_from_giver(row, now=now)
    return ended


def _gone_from_giver(row: Transfer, *, now: datetime) -> None:
    """The old relation is over; where its event has come already, nothing is left to write."""
    relation = Contact.unsafe_all.current().filter(customer=row.customer, agent=row.giver)
    if relation.exists():
        customers.end_contact(
            external_userid=row.customer.external_userid,
            userid=row.giver.userid,
            status=Contact.Status.TRANSFERRED,
            at=row.ended_at,
            now=now,
            is_observed=True,
        )


def _carry(handover: Handover, *, now: datetime) -> None:
    """Tags stay behind with the old relation at WeCom: put them on the new one, once it is here."""
    done = Transfer.unsafe_all.filter(handover=handover, state=State.DONE, carried_at__isnull=True)
    for row in done.select_related("customer"):
        contacts = Contact.unsafe_all.filter(customer=row.customer)
        new = contacts.current().filter(agent=row.taker_id).first()
        if new is None:
            continue
        old = contacts.filter(agent=row.giver_id).first()
        tags = list(old.tags.filter(is_deleted=False)) if old else []
        with transaction.atomic():
            held = Transfer.unsafe_all.filter(pk=row.pk, carried_at__isnull=True)
            if held.update(carried_at=now) and tags:
                tag_contacts(contacts=[new], adds=tags, by=handover.created_by, now=now)


def _plan_next_look(handover: Handover, *, now: datetime) -> None:
    rows = Transfer.unsafe_all.filter(handover=handover)
    waiting = list(rows.filter(state=State.WAITING).values_list("due_at", flat=True))
    if waiting:
        over = any(due_at <= now for due_at in waiting)
        upcoming = min((d for d in waiting if d > now), default=now + EVERY)
        next_at = now + AFTER_THE_DAY if over else min(now + EVERY, upcoming + AFTER_THE_DAY)
    elif rows.filter(state=State.DONE, carried_at__isnull=True, ended_at__gt=now - UNLISTED_FOR):
        next_at = now + EVERY  # The new relation has not been told of yet.
    else:
        next_at = None
    Handover.unsafe_all.filter(pk=handover.pk).update(follow_at=next_at)


def look_soon(external_userid: str, *, now: datetime) -> None:
    """An event told of a refusal or of a new relation: ask at the next round."""
    theirs = Transfer.unsafe_all.filter(
        customer__external_userid=external_userid, state=State.WAITING
    )
    Handover.unsafe_all.filter(pk__in=theirs.values("handover")).update(follow_at=now)
