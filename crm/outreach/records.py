"""Recognising our own task in WeCom's list of mass sends."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.outbox.models import OutboxItem
from crm.outreach.content import record_digest
from crm.outreach.models import MassBatch
from crm.wecom import RetryLater
from crm.wecom.client import Client
from crm.wecom.mass_records import MassSeen

# Clocks differ, and a request may be applied after we stopped waiting for it.
BEFORE, AFTER = timedelta(minutes=2), timedelta(minutes=10)


@dataclass(frozen=True)
class Match:
    """What the list tells. ``ours``: same words, sender and recipients. ``undecided``: WeCom is
    still dispatching a record with the same words, so it cannot be asked for whom it is.
    """

    ours: tuple[MassSeen, ...]
    undecided: int
    later_seen: bool
    listed: int
    rivals: int

    def evidence(self) -> dict:
        """For the person who may have to decide."""
        return {
            "listed": self.listed,
            "later_seen": self.later_seen,
            "rivals": self.rivals,
            "undecided": self.undecided,
            "candidates": [
                {
                    "msgid": seen.msgid,
                    "created_at": seen.created_at.isoformat(),
                    "text": seen.text[:80],
                }
                for seen in self.ours
            ],
        }


def find(item: OutboxItem, batch: MassBatch, client: Client, *, now: datetime) -> Match:
    """Look for the task of an uncertain item in the window of its call."""
    to_groups = batch.send.is_to_groups
    since, deadline = item.called_at - BEFORE, item.call_deadline or item.called_at
    until = max(now, item.called_at) + AFTER
    listed = [
        seen
        for seen in client.mass_sends(since, until, chat_type="group" if to_groups else "single")
        if not seen.creator and not seen.is_personal
    ]
    known = set(
        MassBatch.unsafe_all.filter(msgid__in=[seen.msgid for seen in listed])
        .exclude(pk=batch.pk)
        .values_list("msgid", flat=True)
    )
    alike = [
        seen
        for seen in listed
        if seen.msgid not in known
        and seen.created_at <= deadline + AFTER
        and record_digest(to_groups, seen.text, seen.attachments) == item.digest
    ]
    ours, undecided = _ours(alike, batch, client)
    later = any(seen.msgid in known and seen.created_at > deadline for seen in listed)
    return Match(tuple(ours), undecided, later, len(listed), _rivals(item, batch))


def _ours(alike: list[MassSeen], batch: MassBatch, client: Client) -> tuple[list[MassSeen], int]:
    meant = _targets(batch)
    ours, undecided = [], 0
    for seen in alike:
        try:
            if _is_for(seen.msgid, batch, meant, client):
                ours.append(seen)
        except RetryLater:  # 41063: still being dispatched, so absence proves nothing yet.
            undecided += 1
    return ours, undecided


def _is_for(msgid: str, batch: MassBatch, meant: set[str], client: Client) -> bool:
    """Whether the task has this sender, and nobody but the recipients of the batch.

    WeCom leaves out whom it cannot reach, and tells of groups only once they were posted in.
    """
    if {task.userid for task in client.mass_send_tasks(msgid)} != {batch.agent.userid}:
        return False
    results = client.mass_send_results(msgid, batch.agent.userid)
    return all((row.external_userid or row.chat_id) in meant for row in results)


def _targets(batch: MassBatch) -> set[str]:
    name = "group__chat_id" if batch.send.is_to_groups else "customer__external_userid"
    return set(batch.recipients.filter(state="waiting").values_list(name, flat=True))


def _rivals(item: OutboxItem, batch: MassBatch) -> int:
    """Calls whose record could be taken for this one: same words, sender and a person in common."""
    field = "group_id" if batch.send.is_to_groups else "customer_id"
    window = (item.called_at - AFTER, item.called_at + AFTER)
    unclear = OutboxItem.unsafe_all.filter(
        kind=item.kind, digest=item.digest, called_at__range=window, state__in=_UNCLEAR
    ).exclude(pk=item.pk)
    others = MassBatch.unsafe_all.filter(
        pk__in=unclear.values("subject_id"), agent=batch.agent, msgid=None
    )
    meant = batch.recipients.filter(state="waiting").values(field)
    return others.filter(**{f"recipients__{field}__in": meant}).distinct().count()


_UNCLEAR = [OutboxItem.State.CALLING, OutboxItem.State.UNCERTAIN, OutboxItem.State.PARKED]
