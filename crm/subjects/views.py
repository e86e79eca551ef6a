"""The list of requests with their deadlines, one request, and the file of what we hold."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.paging import keyset_page
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day
from crm.subjects import actions, disclosing
from crm.subjects.erasing import standing
from crm.subjects.forms import RequestForm
from crm.subjects.models import SubjectRequest

Kind, State = SubjectRequest.Kind, SubjectRequest.State
LEVELS = {State.DONE: "good", State.REFUSED: "warn", State.RUNNING: "brand", State.ASKED: "brand"}


@requires(Permission.SUBJECT_HANDLE, scope=Scope.CUSTOMER)
@require_GET
def request_list(request: HttpRequest) -> HttpResponse:
    """Open ones by their deadline; ended ones latest first."""
    now, state = timezone.now(), request.GET.get("state", "")
    rows = SubjectRequest.objects.for_user(request.user).select_related("customer", "received_by")
    is_open = state != "ended"
    rows = rows.open() if is_open else rows.exclude(state__in=SubjectRequest.OPEN)
    page = keyset_page(rows, order=("due_on",) if is_open else ("-ended_at",), params=request.GET)
    lines = [(row, LEVELS.get(row.state, ""), row.is_late(now)) for row in page.rows]
    seen = SubjectRequest.objects.for_user(request.user)
    late = seen.open().filter(due_on__lt=local_day(now)).count()
    context = {"page": page, "lines": lines, "late": late, "is_open": is_open}
    return TemplateResponse(request, "crm/subjects/list.html", context)


@requires(Permission.SUBJECT_HANDLE, scope=Scope.CUSTOMER)
@require_http_methods(["GET", "POST"])
def new_request(request: HttpRequest, customer_id: int) -> HttpResponseBase:
    """Note what a customer asks for."""
    customer = get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
    form = RequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = actions.receive(
                customer=customer, by=request.user, now=timezone.now(), **form.cleaned_data
            )
        except DomainError as refused:
            form.add_error(refused.field or None, str(refused))
        else:
            return redirect("crm:subjects:detail", row.pk)
    status = 422 if request.method == "POST" else 200
    context = {"customer": customer, "form": form, "days": actions.settings.SUBJECT_REQUEST_DAYS}
    return TemplateResponse(request, "crm/subjects/new.html", context, status=status)


@requires(Permission.SUBJECT_HANDLE, scope=Scope.CUSTOMER)
@require_GET
def request_detail(request: HttpRequest, request_id: int) -> HttpResponse:
    """One request: what we hold of the person, and the next step."""
    return _detail(request, _row(request, request_id))


@requires(Permission.SUBJECT_HANDLE, scope=Scope.CUSTOMER, audit=True)
@require_POST
def download(request: HttpRequest, request_id: int) -> HttpResponseBase:
    """Everything we hold of the person, as one file to hand over."""
    row, now = _row(request, request_id), timezone.now()
    if row.customer is None or not row.is_open:
        return _detail(request, row, refusal=_("没有可以导出的资料"))
    audit(request.user, "subject.download", row, now=now, customer=row.customer_ref)
    kind, name = request.POST.get("format", ""), f"personal-data-{local_day(now)}"
    if kind == "json":
        body = disclosing.as_json(row.customer, request.user, now)
        response = HttpResponse(body, content_type="application/json; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{name}.json"'
        response["Cache-Control"] = "no-store"
        return response
    header = [_("数据表"), _("第几行"), _("项"), _("内容")]
    return sheet_response(name, header, _lines(row.customer, request.user), kind=kind)


def _lines(customer: Customer, user: Any) -> Iterator[list[Any]]:
    for name, heads, rows in disclosing.tables(customer, user):
        for number, cells in enumerate(rows, start=1):
            for head, value in zip(heads, cells, strict=True):
                if value not in (None, "", [], {}):
                    yield [
                        name,
                        number,
                        head,
                        json.dumps(value, ensure_ascii=False)
                        if isinstance(value, list | dict)
                        else value,
                    ]


@requires(Permission.SUBJECT_HANDLE, scope=Scope.CUSTOMER)
@require_POST
def finish(request: HttpRequest, request_id: int) -> HttpResponseBase:
    """Done, in the words that the person is told."""
    return _step(request, request_id, actions.finish, _("已办结"), "answer")


@requires(Permission.SUBJECT_HANDLE, scope=Scope.CUSTOMER)
@require_POST
def refuse(request: HttpRequest, request_id: int) -> HttpResponseBase:
    """Not done, with the reason."""
    return _step(request, request_id, actions.refuse, _("已记下不予办理的理由"), "answer")


@requires(Permission.SUBJECT_HANDLE, scope=Scope.CUSTOMER)
@require_POST
def ask_approval(request: HttpRequest, request_id: int) -> HttpResponseBase:
    """Hand an erasure to a second person."""
    return _step(request, request_id, actions.ask_approval, _("已提交，等另一位同事复核"))


@requires(Permission.SUBJECT_APPROVE, scope=Scope.CUSTOMER)
@require_POST
def approve(request: HttpRequest, request_id: int) -> HttpResponseBase:
    """Agree to an erasure; it cannot be undone."""
    return _step(request, request_id, actions.approve, _("已同意，正在删除"))


def _step(
    request: HttpRequest, request_id: int, act: Callable[..., Any], words: str, *given: str
) -> HttpResponseBase:
    row = _row(request, request_id)
    values = {name: request.POST.get(name, "") for name in given}
    try:
        act(request_id=row.pk, by=request.user, now=timezone.now(), **values)
    except DomainError as refused:
        return _detail(request, row, refusal=str(refused))
    messages.success(request, words)
    return redirect("crm:subjects:detail", row.pk)


def _row(request: HttpRequest, request_id: int) -> SubjectRequest:
    rows = SubjectRequest.objects.for_user(request.user)
    return get_object_or_404(rows.select_related("customer", "job"), pk=request_id)


def _detail(request: HttpRequest, row: SubjectRequest, *, refusal: str = "") -> HttpResponse:
    user, customer, now = request.user, row.customer, timezone.now()
    is_erasure = row.kind == Kind.ERASE
    parts = disclosing.parts(customer, user) if customer and row.is_open else []
    names = disclosing.table_names()
    context = {
        "row": row,
        "customer": customer,
        "level": LEVELS.get(row.state, ""),
        "is_late": row.is_late(now),
        "refusal": refusal,
        "held": [part for part in parts if part.rows],
        "empty": [part for part in parts if not part.rows],
        "held_title": _("我们保存的信息"),
        "empty_title": _("没有记录的数据表"),
        "standing": standing(customer) if customer and is_erasure and row.is_open else [],
        "erased": [(names.get(model, model), n) for model, n in row.result.items()],
        "may_ask": is_erasure and row.state == State.WAITING,
        "may_approve": row.state == State.ASKED
        and row.received_by_id != user.pk
        and user.can(Permission.SUBJECT_APPROVE),
        "may_finish": row.is_open and not is_erasure,
        "may_refuse": row.is_open and row.state != State.RUNNING,
    }
    status = 422 if refusal else 200
    return TemplateResponse(request, "crm/subjects/detail.html", context, status=status)
