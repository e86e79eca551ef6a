"""The Celery app and the timetable of everything periodic.

Celery is the doorbell: rows in PostgreSQL are the queue. Whatever a lost message would have
started is found again by the next sweep of the timetable.
"""

import os
import signal

from celery import Celery
from celery.signals import celeryd_after_setup, setup_logging, worker_process_init

from config import heartbeats
from config.processes import end_with

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Where both sides wait: tasks of these rooms must not stand behind an import.
DOORBELL = "doorbell"
# What is worth nothing after some seconds (welcomes): nothing else ever stands in front of it.
EXPRESS = "express"
QUEUES = ("celery", DOORBELL, EXPRESS)
GIVES_WAY = 10


def every(seconds: float, task: str, **kwargs: object) -> dict:
    """A line of the timetable. What no worker took before its next turn is dropped."""
    return {
        "task": task,
        "schedule": seconds,
        "kwargs": kwargs,
        "options": {"expires": max(seconds, 10)},
    }


BEAT_SCHEDULE: dict[str, dict] = {
    # crm: in (callbacks, sync, imports)
    "callbacks-work-inbox": every(5, "crm.callbacks.tasks.work_inbox"),
    "callbacks-tidy": every(24 * 3600, "crm.callbacks.tasks.tidy_inbox"),
    "sync-due": every(60, "crm.sync.tasks.sync_due"),
    "sync-reconcile": every(300, "crm.sync.tasks.reconcile_if_due"),
    "sync-tidy": every(24 * 3600, "crm.sync.tasks.tidy_runs"),
    "archive-pull": every(15, "crm.archive.tasks.pull"),
    "archive-consents": every(6 * 3600, "crm.archive.tasks.ask_consents"),
    "archive-keep-house": every(24 * 3600, "crm.archive.tasks.keep_house"),
    "customers-milestones": every(300, "crm.customers.tasks.record_milestones"),
    "customers-stages": every(900, "crm.customers.tasks.recompute_stages"),
    "imports-run": every(15, "crm.imports.tasks.run_waiting_imports"),
    "imports-tidy": every(3600, "crm.imports.tasks.remove_old_files"),
    "jobs-sweep": every(30, "crm.jobs.tasks.sweep_jobs"),
    "api-tidy": every(3600, "crm.api.tasks.forget_answers"),
    # crm: out (outbox, moments)
    "outbox-dispatch": every(3, "crm.outbox.tasks.dispatch_due"),
    "outbox-dispatch-urgent": every(2, "crm.outbox.tasks.dispatch_urgent"),
    "outbox-keep-house": every(24 * 3600, "crm.outbox.tasks.keep_house"),
    "sends-follow": every(15, "crm.outreach.tasks.follow_due"),
    "sends-remind": every(60, "crm.outreach.tasks.remind_laggards"),
    "sends-replay": every(30, "crm.outreach.tasks.run_waiting_replays"),
    "sends-own": every(600, "crm.outreach.tasks.count_own_sends"),
    "content-keep-house": every(24 * 3600, "crm.content.tasks.keep_house"),
    "moments-follow": every(5, "crm.moments.tasks.follow_due"),
    "moments-remind": every(60, "crm.moments.tasks.remind_laggards"),
    "moments-keep-house": every(24 * 3600, "crm.moments.tasks.keep_house"),
    "slots-settle": every(60, "crm.slots.tasks.settle_slots"),
    "slots-fill": every(600, "crm.slots.tasks.fill_slots"),
    "identity-merge": every(60, "crm.identity.tasks.merge_agreeing"),
    "identity-phones": every(24 * 3600, "crm.identity.tasks.note_same_phones"),
    "tagging-run": every(15, "crm.tagging.tasks.run_waiting_tagging"),
    "tagging-keep": every(24 * 3600, "crm.tagging.tasks.keep_audience_tags"),
    "followup-find": every(120, "crm.followup.tasks.find_reasons"),
    "followup-keep-house": every(24 * 3600, "crm.followup.tasks.keep_house"),
    "members-settle": every(3600, "crm.members.tasks.settle_due"),
    "personas-keep": every(300, "crm.personas.tasks.keep_changed"),
    "personas-all": every(24 * 3600, "crm.personas.tasks.keep_all"),
    "risk-keep": every(600, "crm.risk.tasks.keep_due"),
    "subjects-erase": every(30, "crm.subjects.tasks.run_waiting_erasures"),
    "subjects-forget": every(24 * 3600, "crm.subjects.tasks.forget_old"),
    "handover-follow": every(30, "crm.handover.tasks.follow_due"),
    # analytics
    "columns-refresh": every(60, "analytics.events.tasks.refresh_columns"),
    "segments-refresh": every(60, "analytics.segments.tasks.refresh_segments"),
    "columns-compile": every(600, "analytics.events.tasks.compile_kernel"),
    "replies-keep": every(900, "analytics.replies.tasks.keep_replies"),
    "risk-learn": every(3600, "analytics.risk.tasks.learn_due"),
    "standing-merge": every(20, "analytics.standing.tasks.merge"),
    "standing-prove": every(24 * 3600, "analytics.standing.tasks.prove_and_repair"),
}

app = Celery("changke")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    beat_schedule=BEAT_SCHEDULE,
    beat_scheduler="config.heartbeats:BeatingScheduler",
    beat_max_loop_interval=heartbeats.BEAT_SECONDS,
    # A killed worker or pool child must not lose its task, nor keep others waiting behind it.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_routes={
        "crm.callbacks.tasks.greet": {"queue": EXPRESS},
        "crm.outbox.tasks.dispatch_urgent": {"queue": EXPRESS},
        "crm.callbacks.*": {"queue": DOORBELL},
        "crm.outbox.*": {"queue": DOORBELL},
    },
    # Longer than the longest task (a large import), or it would be handed out twice.
    broker_transport_options={"visibility_timeout": 3600, "socket_connect_timeout": 3},
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=3,
    worker_send_task_events=False,
    enable_utc=True,
)
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_kwargs: object) -> None:
    """Celery leaves logging alone when somebody listens here; Django has set it up already."""


@celeryd_after_setup.connect
def give_way(instance: object, **_kwargs: object) -> None:
    """A worker that does nothing urgent leaves the processor to the one that does."""
    if EXPRESS not in instance.app.amqp.queues.consume_from:
        os.nice(GIVES_WAY)


@worker_process_init.connect
def end_with_the_worker(**_kwargs: object) -> None:
    """A pool process whose worker was killed would wait for work for ever."""
    end_with(os.getppid(), by=signal.SIGKILL)
