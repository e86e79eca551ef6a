"""The process that children are forked from: Django is loaded, no connection is open.

Reads one JSON object a line: ``{"job", "arguments", "environment", "settings"}`` starts a child and
answers ``{"pid"}``; ``{"wait": pid}`` answers its ``{"status"}``, negative for a signal.
"""

import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import get_resolver  # noqa: E402
from django.utils import timezone  # noqa: E402

from config.processes import end_with  # noqa: E402
from crm.archive.actions import PullBusy, pull_archive, pull_everything  # noqa: E402
from crm.callbacks.actions import work_inbox  # noqa: E402
from crm.moments import following  # noqa: E402
from crm.outbox.dispatcher import dispatch  # noqa: E402
from crm.outbox.models import OutboxItem, PlatformQuota  # noqa: E402
from crm.outbox.slots import reserve  # noqa: E402
from crm.shared.text import sort_key  # noqa: E402
from crm.sync.actions import sync_objects  # noqa: E402
from tests.crm.matrix.nursery import BELL  # noqa: E402


def clock_of(ahead: float):
    """The real clock, so many seconds ahead."""
    return lambda: timezone.now() + timedelta(seconds=ahead)


def follow(ahead: float = 0) -> None:
    """A round for every moment that is due."""
    now = clock_of(ahead)()
    for moment_id in following.due_moments(now):
        following.follow(moment_id, now=now)


def post(requests: str, answers: str) -> None:
    """Post callbacks to the product's own address, and note which got a 200."""
    client = Client()
    with open(answers, "a", buffering=1) as noted:
        for request in json.loads(Path(requests).read_text()):
            answer = client.post(
                "/wecom/callback/",
                request["body"],
                content_type="text/xml",
                query_params=request["query"],
            )
            if answer.status_code == 200:
                noted.write(f"{request['number']}\n")


def pull(limit: int, media: bool = False) -> None:
    """One turn of the archive; nothing where another process is at it."""
    with suppress(PullBusy):
        pull_everything(limit=limit) if media else pull_archive(limit=limit)


def take(code: str, item: int) -> None:
    """Take a unit of a quota when the bell rings; the exit code is how many were granted."""
    quota, found = PlatformQuota.objects.get(code=code), OutboxItem.unsafe_all.get(pk=item)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock_shared(%s)", [BELL])
        granted = reserve(quota, ["corp"], item=found, now=timezone.now())
        cursor.execute("select pg_sleep(0.2)")  # Nobody commits before all have looked.
    raise SystemExit(len(granted))


def dispatch_at_the_bell(ahead: float) -> None:
    """Begin when the bell rings, together with everybody else."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock_shared(%s)", [BELL])
    dispatch(clock=clock_of(ahead))


JOBS = {
    "take": take,
    "dispatch_at_the_bell": dispatch_at_the_bell,
    "dispatch": lambda ahead=0.0, **more: dispatch(clock=clock_of(ahead), **more),
    "follow": follow,
    "inbox": lambda ahead=0.0: work_inbox(clock=clock_of(ahead)),
    "post": post,
    "pull": pull,
    "sync": lambda ahead=0.0, **more: sync_objects(clock=clock_of(ahead), **more),
    "import": lambda kind, path: call_command("import", kind, path, "--json"),
}


def live(job: str, arguments: dict, environment: dict, values: dict) -> None:
    """What a child does, from its birth to its end."""
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    os.environ.update(environment)
    for name, value in values.items():
        setattr(settings, name, value)
    status = 1
    try:
        JOBS[job](**arguments)
        status = 0
    except SystemExit as left:
        status = left.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def answer(asked: dict[str, Any]) -> dict[str, int]:
    """Start a child, or wait for one."""
    if "wait" in asked:
        return {"status": os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])}
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        end_with(parent, by=signal.SIGKILL)
        live(asked["job"], asked["arguments"], asked["environment"], asked["settings"])
    return {"pid": pid}


if __name__ == "__main__":
    get_resolver().reverse_dict  # Children find every page imported,
    sort_key("常")  # and the tables of pinyin.
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
