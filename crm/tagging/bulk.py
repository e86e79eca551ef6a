"""Tags for everybody in a list: the dry run, and the job that carries it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import BooleanField, Exists, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.agents.actions import audit
from crm.agents.models import Agent, User
from crm.customers.forms import CustomerFilterForm
from crm.customers.models import Contact, Tag
from crm.customers.queries import find_customers
from crm.jobs.actions import Ending, create_job, run_job
from crm.jobs.models import Job
from crm.jobs.progress import Progress
from crm.shared.paging import count
from crm.tagging.actions import CHUNK, ask, check_tags, relations_of, undo_batch
from crm.tagging.audience_tags import keep
from crm.tagging.models import AudienceTag, TagBatch, TagChange, TagEdit

AT_ONCE = 500


@dataclass(frozen=True)
class Preview:
    """What tagging a list would do: relations are what carries tags, several per customer."""

    customers: int
    relations: int
    changing: int


def meant(user: User, query: str):
    """Living relations of the customers in a list, as its query string narrows it."""
    form = CustomerFilterForm(QueryDict(query), user=user)
    return relations_of(user, find_customers(user, form.filter()))


def how_many(user: User, query: str) -> tuple[int, bool]:
    """How many customers a list has that can be tagged, and whether that is exact.

    Above ten thousand it is an estimate; the dry run counts.
    """
    form = CustomerFilterForm(QueryDict(query), user=user)
    agents = Agent.objects.for_user(user)
    own = Contact.unsafe_all.current().filter(agent__in=agents, customer_id=OuterRef("pk"))
    return count(find_customers(user, form.filter()).filter(Exists(own)))


def preview(*, user: User, query: str, adds: Sequence[Tag], removes: Sequence[Tag]) -> Preview:
    """Counts within the user's scope; changes nothing. Raises TagsRefused."""
    check_tags(adds, removes)
    relations = meant(user, query)
    changing = Q()
    for tag, wanted in [*((t, True) for t in adds), *((t, False) for t in removes)]:
        name = f"has_{tag.pk}"
        relations = relations.annotate(**{name: _carries(tag)})
        changing |= Q(**{name: not wanted})
    return Preview(
        customers=relations.values("customer").distinct().count(),
        relations=relations.count(),
        changing=relations.filter(changing).count(),
    )


def _carries(tag: Tag):
    """Whether a relation carries the tag once all that is on its way has arrived."""
    coming = TagEdit.unsafe_all.waiting().filter(contact=OuterRef("pk"), tag=tag)
    link = Contact.tags.through.objects.filter(contact_id=OuterRef("pk"), tag=tag)
    return Coalesce(
        Subquery(coming.values("is_wanted")[:1]), Exists(link), output_field=BooleanField()
    )


@transaction.atomic
def start_bulk(
    *, query: str, adds: Sequence[Tag], removes: Sequence[Tag], by: User, now: datetime
) -> TagBatch:
    """Queue a job that tags everybody in the list. Raises TagsRefused."""
    check_tags(adds, removes)
    batch = TagBatch.unsafe_all.create(
        adds=[tag.pk for tag in adds], removes=[tag.pk for tag in removes], created_by=by
    )
    names = [f"+{tag.name}" for tag in adds] + [f"-{tag.name}" for tag in removes]
    batch.job = create_job(
        kind=Job.Kind.TAG,
        title=" ".join(names),
        by=by,
        params={"batch_id": batch.pk, "query": query[:4000]},
        page=reverse("crm:tagging:batch", args=[batch.pk]),
    )
    batch.save(update_fields=["job"])
    audit(by, "tags.bulk", batch, now=now, adds=batch.adds, removes=batch.removes)
    return batch


def start_undo(*, batch: TagBatch, by: User, now: datetime) -> Job | None:
    """Undo a small batch at once, a large one as a job, which is returned. Raises TagsRefused."""
    if TagChange.objects.filter(batch=batch).count() <= AT_ONCE:
        undo_batch(batch_id=batch.pk, by=by, now=now)
        return None
    return create_job(
        kind=Job.Kind.TAG,
        title=_("撤销打标签 #%(n)s") % {"n": batch.pk},
        by=by,
        params={"undo_id": batch.pk},
        page=reverse("crm:tagging:batch", args=[batch.pk]),
    )


def run_tagging(job_id: int, *, now: datetime) -> bool:
    """Do the work of a waiting job; False if there is nothing to do any more."""
    owner = User.objects.filter(jobs=job_id).first()
    with override(owner.language if owner else None):
        return run_job(job_id, _work, now=now)


def _work(job: Job, progress: Progress) -> Ending:
    progress.enter(Job.Phase.WRITING)
    if "undo_id" in job.params:
        undo_batch(batch_id=job.params["undo_id"], by=job.owner, now=timezone.now())
        return Ending()
    if "audience_tag_id" in job.params:
        row = AudienceTag.unsafe_all.filter(pk=job.params["audience_tag_id"]).first()
        return Ending(result={"changed": keep(row, by=job.owner, progress=progress) if row else 0})
    batch = TagBatch.unsafe_all.get(pk=job.params["batch_id"])
    wishes = dict.fromkeys(batch.adds, True) | dict.fromkeys(batch.removes, False)
    relations = meant(job.owner, job.params["query"])
    contacts = list(relations.order_by("pk").values_list("pk", flat=True))
    changed = 0
    for start in range(0, len(contacts), CHUNK):
        progress.check()
        changed += ask(batch, contacts[start : start + CHUNK], wishes, now=timezone.now())
        progress.measured(start, len(contacts))
    batch.customers = relations.values("customer").distinct().count()
    batch.save(update_fields=["customers"])
    return Ending(result={"rows": len(contacts), "changed": changed})
