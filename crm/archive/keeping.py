"""How long what was said is kept, and how it goes.

Purpose: evidence of service and figures of replies. Kept ``ARCHIVE_KEPT_DAYS``; then messages and
files go, facts (who wrote to whom, when) stay, as they hold no words. A customer who asks to be
forgotten is erased at once.
"""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from crm.agents.actions import audit
from crm.agents.models import User
from crm.archive.media import media_path
from crm.archive.models import ArchiveConsent, ArchivedMedia, ArchivedMessage
from crm.customers.models import Customer

AT_ONCE = 2000


def remove_old_messages(*, now: datetime) -> int:
    """Delete messages past their kept time, with their files; returns how many went."""
    before = now - timedelta(days=settings.ARCHIVE_KEPT_DAYS)
    removed = 0
    while ids := _some(ArchivedMessage.unsafe_all.filter(said_at__lt=before)):
        removed += _remove(ids)
    return removed


def erase_customer(*, customer: Customer, reason: str, by: User | None, now: datetime) -> int:
    """Delete everything the archive holds of a customer: both sides of the talk, files, consent.

    Group messages go as far as the customer said them.
    """
    audit(by, "archive.erase", customer, reason=reason, now=now)
    removed = 0
    while ids := _some(ArchivedMessage.unsafe_all.filter(customer=customer)):
        removed += _remove(ids)
    ArchiveConsent.objects.filter(customer=customer).delete()
    return removed


def _some(messages) -> list[int]:
    return list(messages.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])


def _remove(ids: list[int]) -> int:
    files: list[Path] = []
    with transaction.atomic():
        media = ArchivedMedia.objects.filter(message_id__in=ids)
        files += [media_path(row) for row in media]
        media.delete()
        removed, _by_model = ArchivedMessage.unsafe_all.filter(pk__in=ids).delete()
    # Only after the rows are gone for good: a file without a row is waste, a row without is a lie.
    for path in files:
        path.unlink(missing_ok=True)
    return removed
