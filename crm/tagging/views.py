"""Tagging one customer, a whole list, and what became of it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.customers.models import Customer
from crm.shared.filters import kept
from crm.shared.http import STOP_POLLING
from crm.shared.paging import keyset_page
from crm.tagging import actions, bulk, queries, tasks
from crm.tagging.actions import TagsRefused
from crm.tagging.forms import CustomerTagForm, TagForm
from crm.tagging.models import TagBatch

OWN_FIELDS = ("add", "remove", "csrfmiddlewaretoken")


@requires(Permission.TAG_EDIT, scope=Scope.CUSTOMER)
@require_http_methods(["GET", "POST"])
def tag_customer(request: HttpRequest, customer_id: int) -> HttpResponseBase:
    """Tags of one customer's relations."""
    customer = get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
    relations = actions.relations_of(request.user, [customer.pk])
    relations = relations.select_related("agent").prefetch_related("tags")
    form = CustomerTagForm(request.POST or None, relations=relations)
    if request.method == "POST" and form.is_valid():
        try:
            actions.tag_contacts(
                contacts=list(form.cleaned_data["relations"]),
                **form.tags(),
                by=request.user,
                now=timezone.now(),
            )
        except TagsRefused as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, _("已提交，几秒后写入企业微信"))
            return redirect("crm:tagging:customer", customer.pk)
    context = {
        "customer": customer,
        "form": form,
        "has_relations": relations.exists(),
        "edits": queries.on_their_way(customer),
    }
    status = 422 if request.method == "POST" else 200
    return TemplateResponse(request, "crm/tagging/customer.html", context, status=status)


@requires(Permission.TAG_EDIT, scope=Scope.CUSTOMER)
@require_http_methods(["GET", "POST"])
def tag_list(request: HttpRequest) -> HttpResponseBase:
    """Everybody in the list that the query string names: a dry run by GET, a job by POST."""
    asked = request.POST if request.method == "POST" else request.GET
    names = ("add", "remove")
    form = TagForm(asked if any(name in asked for name in names) else None)
    query = _list_query(request)
    preview = None
    if form.is_valid():
        try:
            if request.method == "POST":
                batch = bulk.start_bulk(
                    query=query, **form.tags(), by=request.user, now=timezone.now()
                )
                tasks.ring(batch.job_id)
                return redirect("crm:tagging:batch", batch.pk)
            preview = bulk.preview(user=request.user, query=query, **form.tags())
        except TagsRefused as refusal:
            form.add_error(refusal.field, str(refusal))
    elif request.method == "POST":
        form = form if form.is_bound else TagForm({})
        form.is_valid()
        form.add_error("add", _("请至少选择一个标签"))
    return _list_page(request, form, query, preview)


def _list_page(request: HttpRequest, form: TagForm, query: str, preview) -> HttpResponse:
    customers, is_exact = bulk.how_many(request.user, query)
    context = {
        "form": form,
        "query": query,
        "hidden": kept(request.GET, without=OWN_FIELDS),
        "preview": preview,
        "customers": customers,
        "is_exact": is_exact,
    }
    if preview is not None:
        context["chosen"] = [
            (name, tag.pk) for name in ("add", "remove") for tag in _tags(form, name)
        ]
    status = 422 if request.method == "POST" else 200
    return TemplateResponse(request, "crm/tagging/list.html", context, status=status)


def _tags(form: TagForm, name: str):
    return form.cleaned_data.get(name) or ()


def _list_query(request: HttpRequest) -> str:
    query = request.GET.copy()
    for name in OWN_FIELDS:
        query.pop(name, None)
    return query.urlencode()


@requires(Permission.TAG_EDIT, scope=Scope.OWN)
@require_GET
def batch_list(request: HttpRequest) -> HttpResponse:
    """What was tagged, newest first."""
    seen = TagBatch.objects.for_user(request.user).select_related("created_by__agent", "job")
    page = keyset_page(seen, order=("-id",), params=request.GET)
    rows = [
        (batch, queries.names_of(batch.adds), queries.names_of(batch.removes)) for batch in page
    ]
    return TemplateResponse(request, "crm/tagging/batches.html", {"page": page, "rows": rows})


@requires(Permission.TAG_EDIT, scope=Scope.OWN)
@require_GET
def batch_detail(request: HttpRequest, batch_id: int) -> HttpResponse:
    """How far a batch is, and what could not be written."""
    return _batch(request, _batch_or_404(request, batch_id))


@requires(Permission.TAG_EDIT, scope=Scope.OWN)
@require_GET
def batch_live(request: HttpRequest, batch_id: int) -> HttpResponse:
    """The counts alone, asked for again while something is on its way."""
    batch = _batch_or_404(request, batch_id)
    progress = queries.batch_progress(batch)
    moving = progress.waiting or (batch.job is not None and batch.job.is_unfinished)
    context = {"batch": batch, "progress": progress}
    return TemplateResponse(
        request, "crm/tagging/_progress.html", context, status=200 if moving else STOP_POLLING
    )


@requires(Permission.TAG_EDIT, scope=Scope.OWN)
@require_POST
def undo_tags(request: HttpRequest, batch_id: int) -> HttpResponseBase:
    """Wish the opposite, where nobody has wished anything since."""
    batch = _batch_or_404(request, batch_id)
    try:
        job = bulk.start_undo(batch=batch, by=request.user, now=timezone.now())
    except TagsRefused as refusal:
        return _batch(request, batch, refusal=str(refusal))
    if job is not None:
        tasks.ring(job.pk)
    messages.success(request, _("正在撤销"))
    return redirect("crm:tagging:batch", batch.pk)


def _batch(request: HttpRequest, batch: TagBatch, *, refusal: str = "") -> HttpResponse:
    progress = queries.batch_progress(batch)
    undone_by = TagBatch.objects.for_user(request.user).filter(undoes=batch).first()
    context = {
        "batch": batch,
        "progress": progress,
        "adds": queries.names_of(batch.adds),
        "removes": queries.names_of(batch.removes),
        "page": keyset_page(
            queries.failures(request.user, batch), order=("id",), params=request.GET
        ),
        "undone_by": undone_by,
        "may_undo": undone_by is None and progress.changed > progress.superseded,
        "refusal": refusal,
    }
    status = 422 if refusal else 200
    return TemplateResponse(request, "crm/tagging/batch.html", context, status=status)


def _batch_or_404(request: HttpRequest, batch_id: int) -> TagBatch:
    seen = TagBatch.objects.for_user(request.user).select_related("job", "created_by__agent")
    return get_object_or_404(seen, pk=batch_id)
