"""The sync's turn. A killed one is found by the next look, because its run says where it was."""

from celery import shared_task

from crm.sync import actions


@shared_task
def sync_due() -> int:
    """Sync what is due or was interrupted; returns how many objects had a turn."""
    return len(actions.sync_due_objects())


@shared_task
def sync_now() -> int:
    """Sync everything because somebody asked; nothing when one is running already."""
    try:
        return len(actions.sync_objects())
    except actions.SyncBusy:
        return 0


@shared_task
def tidy_runs() -> int:
    """Forget old runs."""
    return actions.forget_old_runs()
