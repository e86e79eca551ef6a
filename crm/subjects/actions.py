"""Noting a request, and each way in which it ends."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.agents.access import Permission
from crm.agents.actions import audit
from crm.agents.models import User
from crm.customers.models import Customer
from crm.jobs.actions import Ending, create_job, run_job
from crm.jobs.models import Job
from crm.jobs.progress import Progress
from crm.outreach.actions import opt_out
from crm.shared.errors import DomainError
from crm.shared.text import clean_text
from crm.shared.times import local_day
from crm.subjects.erasing import EraseRefused, erase, standing
from crm.subjects.models import SubjectRequest

Kind, State = SubjectRequest.Kind, SubjectRequest.State


class RequestRefused(DomainError):
    """The request cannot take that step."""

    code = "request_refused"


def due_on(received_at: datetime) -> date:
    """The last day on which a request may be answered."""
    return local_day(received_at) + timedelta(days=settings.SUBJECT_REQUEST_DAYS)


@transaction.atomic
def receive(
    *, customer: Customer, kind: str, asked_how: str, by: User, now: datetime
) -> SubjectRequest:
    """Note what a person asked for; raises RequestRefused for a second open one of the kind."""
    asked_how = clean_text(asked_how, limit=255)
    if kind not in Kind.values:
        raise RequestRefused(_("请选择请求的种类"), field="kind")
    if not asked_how:
        raise RequestRefused(_("请写明如何提出、怎样核实是本人"), field="asked_how")
    try:
        with transaction.atomic():
            request = SubjectRequest.unsafe_all.create(
                customer=customer,
                customer_ref=customer.pk,
                kind=kind,
                asked_how=asked_how,
                received_at=now,
                received_by=by,
                due_on=due_on(now),
            )
    except IntegrityError:
        raise RequestRefused(_("这位客户已有一个同样的请求在办理"), field="kind") from None
    audit(by, "subject.receive", request, now=now, kind=kind, customer=customer.pk)
    return request


@transaction.atomic
def finish(*, request_id: int, answer: str, by: User, now: datetime) -> SubjectRequest:
    """What was shown, handed over or corrected; stopping marketing is done here, too.

    Erasing ends by itself; raises RequestRefused for it, and without words.
    """
    request, answer = _open(request_id), clean_text(answer, limit=255)
    if request.kind == Kind.ERASE:
        raise RequestRefused(_("删除须经另一人复核，由系统完成"))
    if not answer:
        raise RequestRefused(_("请写明怎样办理的"), field="answer")
    if request.kind == Kind.STOP:
        opt_out(customer=request.customer, note=answer, by=by, now=now)
    return _end(request, State.DONE, answer, by, now)


@transaction.atomic
def refuse(*, request_id: int, answer: str, by: User, now: datetime) -> SubjectRequest:
    """Not done, with the reason that the person is told; raises RequestRefused without one."""
    request, answer = _open(request_id), clean_text(answer, limit=255)
    if request.state == State.RUNNING:
        raise RequestRefused(_("正在删除，不能停下"))
    if not answer:
        raise RequestRefused(_("请写明不予办理的理由"), field="answer")
    return _end(request, State.REFUSED, answer, by, now)


@transaction.atomic
def ask_approval(*, request_id: int, by: User, now: datetime) -> SubjectRequest:
    """Have a second person look before anything is erased; raises RequestRefused."""
    request = _open(request_id)
    if request.kind != Kind.ERASE or request.state != State.WAITING:
        raise RequestRefused(_("只有待办理的删除请求可以提交复核"))
    if left := standing(request.customer):
        words = _("先在企业微信里解除关系，否则下次同步又会带回来：%(where)s")
        raise RequestRefused(words % {"where": "；".join(left)})
    request.state, request.received_by = State.ASKED, by
    request.save(update_fields=["state", "received_by"])
    audit(by, "subject.ask_approval", request, now=now)
    return request


@transaction.atomic
def approve(*, request_id: int, by: User, now: datetime) -> SubjectRequest:
    """Another person agrees, and the erasure is queued; raises RequestRefused."""
    request = _open(request_id)
    if request.state != State.ASKED:
        raise RequestRefused(_("没有待复核的删除"))
    if by.pk == request.received_by_id or not by.can(Permission.SUBJECT_APPROVE):
        raise RequestRefused(_("须由另一位有复核权限的人同意"))
    request.state, request.approved_by = State.RUNNING, by
    request.job = create_job(
        kind=Job.Kind.ERASE,
        title=_("删除个人信息 #%(number)s") % {"number": request.customer_ref},
        by=by,
        params={"request_id": request.pk},
        page=reverse("crm:subjects:detail", args=[request.pk]),
    )
    request.save(update_fields=["state", "approved_by", "job"])
    audit(by, "subject.approve", request, now=now)
    return request


def run_erasure(job_id: int, *, now: datetime) -> bool:
    """Do the work of a waiting job; False if there is nothing to do any more."""
    owner = User.objects.filter(jobs=job_id).first()
    with override(owner.language if owner else None):
        done = run_job(job_id, lambda job, progress: _erase(job, progress, now), now=now)
        if done:
            _take_back_if_failed(job_id)
        return done


def _erase(job: Job, progress: Progress, now: datetime) -> Ending:
    progress.enter(Job.Phase.WRITING)
    request = SubjectRequest.unsafe_all.select_for_update().get(pk=job.params["request_id"])
    if request.customer_id is None:
        raise EraseRefused(_("这位客户已经不在了"))
    counts = erase(request.customer_id, now=now)
    request.refresh_from_db()
    request.result = counts
    request.save(update_fields=["result"])
    _end(request, State.DONE, _("已从所有数据表中删除"), job.owner, now, rows=sum(counts.values()))
    return Ending(result={"rows": sum(counts.values())})


def _take_back_if_failed(job_id: int) -> None:
    """What was not erased waits again, with the words of the failure."""
    job = Job.unsafe_all.get(pk=job_id)
    if job.state in (Job.State.FAILED, Job.State.CANCELLED):
        running = SubjectRequest.unsafe_all.filter(job=job, state=State.RUNNING)
        running.update(state=State.WAITING, answer=job.message[:255], approved_by=None)


def waiting_erasures() -> list[int]:
    """Jobs that nobody has claimed."""
    jobs = Job.unsafe_all.filter(kind=Job.Kind.ERASE, state=Job.State.WAITING)
    return list(jobs.order_by("pk").values_list("pk", flat=True)[:20])


def note_interrupted() -> int:
    """Requests whose job was interrupted wait again; returns how many."""
    lost = (Job.State.INTERRUPTED, Job.State.CANCELLED, Job.State.FAILED)
    rows = SubjectRequest.unsafe_all.filter(state=State.RUNNING, job__state__in=lost)
    return rows.update(state=State.WAITING, approved_by=None)


def _open(request_id: int) -> SubjectRequest:
    request = SubjectRequest.unsafe_all.select_for_update().get(pk=request_id)
    if not request.is_open:
        raise RequestRefused(_("这个请求已经办结"))
    return request


def _end(
    request: SubjectRequest,
    state: str,
    answer: str,
    by: User | None,
    now: datetime,
    **details: int,
) -> SubjectRequest:
    request.state, request.answer = state, answer
    request.ended_at, request.ended_by = now, by
    request.save(update_fields=["state", "answer", "ended_at", "ended_by"])
    audit(by, f"subject.{state}", request, now=now, kind=request.kind, **details)
    return request
