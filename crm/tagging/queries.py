"""Batches of tag edits in numbers, and what is on its way for one customer."""

from dataclasses import dataclass

from django.db.models import Count

from crm.agents.models import User
from crm.customers.models import Customer, Tag
from crm.tagging.models import TagBatch, TagChange, TagEdit

State = TagEdit.State
LEVELS = {State.WAITING: "brand", State.SETTLED: "good", State.FAILED: "bad"}


@dataclass(frozen=True)
class BatchProgress:
    """Tags that a batch changed on relations; the four parts add up to ``changed``.

    ``superseded``: somebody has wished something else since.
    """

    changed: int
    waiting: int
    settled: int
    failed: int
    superseded: int
    reasons: tuple[tuple[str, int], ...]


def batch_progress(batch: TagBatch) -> BatchProgress:
    """How far a batch is."""
    changed = TagChange.objects.filter(batch=batch).count()
    edits = TagEdit.unsafe_all.filter(batch=batch)
    counts = dict(edits.values_list("state").annotate(n=Count("pk")).order_by())
    failed = edits.filter(state=State.FAILED)
    reasons = failed.values_list("reason").annotate(n=Count("pk")).order_by("-n", "reason")
    return BatchProgress(
        changed=changed,
        waiting=counts.get(State.WAITING, 0),
        settled=counts.get(State.SETTLED, 0),
        failed=counts.get(State.FAILED, 0),
        superseded=changed - sum(counts.values()),
        reasons=tuple(reasons[:20]),
    )


def names_of(tag_ids: list[int]) -> list[str]:
    """Names of tags, deleted ones included: history names them."""
    named = dict(Tag.objects.filter(pk__in=tag_ids).values_list("pk", "name"))
    return [named[pk] for pk in tag_ids if pk in named]


def failures(user: User, batch: TagBatch):
    """Edits of a batch that could not be written, within the user's scope."""
    rows = TagEdit.objects.for_user(user).filter(batch=batch, state=State.FAILED)
    return rows.select_related("contact__customer", "contact__agent", "tag")


def on_their_way(customer: Customer) -> list[tuple[TagEdit, str]]:
    """Edits of one customer that WeCom has not confirmed, or has refused, with their colour."""
    rows = TagEdit.unsafe_all.filter(contact__customer=customer).exclude(state=State.SETTLED)
    found = rows.select_related("contact__agent", "tag").order_by("-updated_at")[:50]
    return [(row, LEVELS[State(row.state)]) for row in found]
