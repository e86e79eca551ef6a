"""The archive's turn, by timetable and by WeCom's bell. A killed one is followed by the next."""

from celery import shared_task
from django.utils import timezone

from crm.archive import actions, consent, keeping
from crm.wecom.archive import is_configured


@shared_task
def pull() -> int:
    """Fetch new messages, then their files; nothing while another process is at it."""
    if not is_configured():
        return 0
    try:
        return actions.pull_everything().messages
    except actions.PullBusy:
        return 0


@shared_task
def ask_consents() -> int:
    """Repair what we know of consent."""
    return consent.ask_consents(now=timezone.now()) if is_configured() else 0


@shared_task
def keep_house() -> int:
    """Remove what is past its kept time."""
    return keeping.remove_old_messages(now=timezone.now())
