"""The sync's turn. A killed one is found by the next look, because its run says where it was."""

from celery import shared_task

from crm.agents.models import User
from crm.sync import actions, reconciling
from crm.sync.models import Reconcile


@shared_task
def sync_due() -> int:
    """Sync what is due or was interrupted; returns how many objects had a turn."""
    return len(actions.sync_due_objects())


@shared_task
def reconcile_if_due() -> int:
    """The nightly reconcile, or one that was interrupted; returns how many objects it has read."""
    report = reconciling.reconcile_if_due()
    return len(report.runs) if report else 0


@shared_task
def sync_now(name: str = "", user_id: int | None = None) -> int:
    """Reconcile everything, or sync one object, because somebody asked.

    Nothing when a sync is running already.
    """
    try:
        if name:
            return len(actions.sync_objects([name]))
        by = User.objects.filter(pk=user_id).first()
        return len(reconciling.reconcile_all(trigger=Reconcile.Trigger.PERSON, by=by).runs)
    except actions.SyncBusy:
        return 0


@shared_task
def tidy_runs() -> int:
    """Forget old runs and repairs."""
    return actions.forget_old_runs()
