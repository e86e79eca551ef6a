"""Writing what became of an item: only by whoever still holds it."""

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from crm.outbox.models import OutboxItem
from crm.outbox.registry import handler_of
from crm.shared import faults

log = structlog.get_logger(__name__)


def settle(
    item: OutboxItem,
    state: str,
    *,
    now: datetime,
    code: str = "",
    reason: str = "",
    due_at: datetime | None = None,
    remote_id: str = "",
    result: dict[str, Any] | None = None,
) -> bool:
    """Give up the lease and leave the item in ``state``; False when it was no longer ours."""
    item.state = state
    item.lease_until = None
    item.reason_code, item.reason = code[:32], reason[:512]
    item.due_at = due_at or item.due_at
    item.remote_id = remote_id or item.remote_id
    item.result = item.result if result is None else result
    item.finished_at = now if item.is_final else None
    with transaction.atomic():
        held = OutboxItem.unsafe_all.select_for_update().filter(pk=item.pk, fence=item.fence)
        if not held.exists():
            log.warning("outbox.lost_lease", item=item.pk, fence=item.fence, state=state)
            return False
        item.save()
        if (handler := handler_of(item.kind)) is not None:
            handler.changed(item, now)
        faults.point("outbox.before_settled")
    return True
