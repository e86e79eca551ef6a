"""The lease of a row of the inbox."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from crm.callbacks.models import InboxEvent
from crm.shared.leases import LEASE, RENEWED_EVERY, renewed


def held(
    event: InboxEvent, clock: Callable[[], datetime], *, every: float = RENEWED_EVERY
) -> AbstractContextManager[None]:
    """Keep a leased row ours while the block runs, and no longer than this process lives."""
    mine = InboxEvent.objects.filter(pk=event.pk, fence=event.fence, state=InboxEvent.State.LEASED)
    return renewed(
        lambda: mine.update(next_try_at=clock() + LEASE), name=f"inbox-{event.pk}", every=every
    )
