"""Jobs: claimed once, seen while they run, cancelled, interrupted, and shown to their owner."""

from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.jobs.actions import (
    SILENT_FOR,
    Ending,
    JobRefused,
    cancel_job,
    claim_job,
    create_job,
    interrupt_silent_jobs,
    run_job,
)
from crm.jobs.models import Job
from crm.jobs.queries import job_rows
from crm.shared.errors import DomainError
from crm.shared.http import STOP_POLLING
from tests.factories import at, make_channel, make_user
from tests.waiting import eventually


def make_job(owner=None, **overrides):
    job = create_job(kind=Job.Kind.IMPORT, title="orders.csv", by=owner)
    Job.unsafe_all.filter(pk=job.pk).update(**overrides)
    job.refresh_from_db()
    return job


def now_of(job):
    return Job.unsafe_all.get(pk=job.pk)


def test_a_job_is_claimed_once(db):
    job = make_job()
    assert claim_job(job.pk, now=at(0)) is not None
    assert claim_job(job.pk, now=at(0)) is None


def test_work_and_its_end_commit_together(db):
    job = make_job()

    def work(_job, progress):
        progress.enter(Job.Phase.WRITING)
        make_channel(code="made-by-the-job")
        return Ending(result={"rows": 1})

    assert run_job(job.pk, work, now=at(0))
    assert not run_job(job.pk, work, now=at(0))
    assert (now_of(job).state, now_of(job).percent) == (Job.State.DONE, 100)


def test_a_refusal_is_the_jobs_message_and_leaves_nothing(db):
    job = make_job()

    def work(_job, _progress):
        make_channel(code="gone-again")
        raise DomainError("not today")

    run_job(job.pk, work, now=at(0))
    assert (now_of(job).state, now_of(job).message) == (Job.State.FAILED, "not today")
    assert not type(make_channel()).objects.filter(code="gone-again").exists()


def test_an_unexpected_error_ends_the_job_and_is_raised(db):
    job = make_job()

    def work(_job, _progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_job(job.pk, work, now=at(0))
    assert now_of(job).state == Job.State.FAILED
    assert f"J{job.pk}" in now_of(job).message


def test_progress_is_seen_while_the_work_is_still_one_transaction(transactional_db):
    job = make_job()
    seen = []

    def work(_job, progress):
        progress.enter(Job.Phase.READING)
        progress.measured(50, 100)
        other = connection.copy()
        with other.cursor() as cursor:

            def moved():
                cursor.execute("select percent, phase from crm_job where id = %s", [job.pk])
                return cursor.fetchone() == (27, "reading")

            seen.append(eventually(moved))
        other.close()
        return Ending()

    run_job(job.pk, work, now=timezone.now())
    assert seen == [True]


def test_cancelling_stops_even_a_long_statement(transactional_db):
    job = make_job()

    def work(_job, _progress):
        make_channel(code="half-done")
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("update crm_job set cancel_requested = true where id = %s", [job.pk])
        other.close()
        with connection.cursor() as cursor:
            cursor.execute("select pg_sleep(60)")
        return Ending()

    begun = timezone.now()
    run_job(job.pk, work, now=begun)
    assert now_of(job).state == Job.State.CANCELLED
    assert timezone.now() - begun < timedelta(seconds=30)
    assert not type(make_channel()).objects.filter(code="half-done").exists()


def test_a_finished_job_cannot_be_cancelled(db):
    user = make_user()
    job = make_job(user, state=Job.State.DONE)
    with pytest.raises(JobRefused):
        cancel_job(job=job, by=user, now=at(0))


def test_a_silent_job_is_shown_as_interrupted(db):
    now = timezone.now()
    silent = make_job(state=Job.State.RUNNING, heartbeat_at=now - SILENT_FOR * 2)
    beating = make_job(state=Job.State.RUNNING, heartbeat_at=now)
    assert interrupt_silent_jobs(now=now) == 1
    assert now_of(silent).state == Job.State.INTERRUPTED
    assert now_of(beating).state == Job.State.RUNNING


# --- pages --------------------------------------------------------------------------------------


@pytest.fixture
def operator(db, client):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def test_the_list_shows_own_jobs_and_polls_while_one_runs(operator, client):
    job = make_job(operator, state=Job.State.RUNNING, percent=40)
    make_job(make_user(Role.OPERATOR), title="secret.csv")
    shown = client.get(reverse("crm:jobs:list")).content.decode()
    assert "40%" in shown and "data-poll" in shown
    assert "secret.csv" not in shown
    rows = reverse("crm:jobs:rows")
    assert client.get(rows).status_code == 200
    Job.unsafe_all.filter(pk=job.pk).update(state=Job.State.DONE)
    assert client.get(rows).status_code == STOP_POLLING


def test_an_admin_sees_that_others_work_but_not_what(db, client):
    owner = make_user(Role.OPERATOR)
    make_job(owner, message="王芳 13800138000", page="/imports/1/", report="x.csv")
    admin = make_user(Role.ADMIN)
    client.force_login(admin)
    shown = client.get(reverse("crm:jobs:list")).content.decode()
    assert owner.username in shown
    assert "orders.csv" not in shown and "王芳" not in shown
    [row] = job_rows(Job.objects.for_user(admin), admin)
    assert (row.page, row.has_report, row.can_cancel) == ("", False, False)


def test_only_the_owner_cancels(operator, client):
    own, foreign = make_job(operator), make_job(make_user(Role.OPERATOR))
    client.post(reverse("crm:jobs:cancel", args=[own.pk]))
    assert now_of(own).state == Job.State.CANCELLED
    assert client.post(reverse("crm:jobs:cancel", args=[foreign.pk])).status_code == 404
    assert client.get(reverse("crm:jobs:cancel", args=[own.pk])).status_code == 405


def test_the_badge_counts_what_is_unfinished(operator, client):
    make_job(operator)
    make_job(operator, state=Job.State.DONE)
    assert ">1<" in client.get(reverse("crm:jobs:badge")).content.decode()
