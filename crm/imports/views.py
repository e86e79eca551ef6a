"""Pages of an import: upload, match columns, check, confirm, watch, read the summary."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crm.agents.access import Permission, Scope, requires
from crm.imports import actions, tasks
from crm.imports.forms import MappingForm, UploadForm
from crm.imports.models import FileImport, ImportKind
from crm.imports.queries import import_state
from crm.ingest.kinds import ROW_KINDS
from crm.ingest.own_fields import row_kind
from crm.jobs.actions import cancel_job
from crm.shared.errors import DomainError
from crm.shared.http import STOP_POLLING, go
from crm.shared.paging import keyset_page


@requires(Permission.IMPORT_RUN, scope=Scope.OWN)
@require_safe
def import_list(request: HttpRequest) -> HttpResponse:
    """Own imports, newest first, and the form for the next."""
    return _list(request, UploadForm())


def _list(request: HttpRequest, form: UploadForm, status: int = 200) -> HttpResponse:
    imports = FileImport.objects.for_user(request.user).select_related("job")
    page = keyset_page(imports, order=("-id",), params=request.GET)
    rows = [(found, import_state(found)) for found in page.rows]
    kinds = [(kind.label, ROW_KINDS[kind].required) for kind in ImportKind]
    context = {"page": page, "rows": rows, "form": form, "kinds": kinds}
    return TemplateResponse(request, "crm/imports/list.html", context, status=status)


@requires(Permission.IMPORT_RUN, scope=Scope.OWN)
@require_POST
def upload_file(request: HttpRequest) -> HttpResponseBase:
    """Keep the file and go on to its columns."""
    form = UploadForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            found = actions.start_import(
                kind=form.cleaned_data["kind"],
                upload=form.cleaned_data["file"],
                by=request.user,
                now=timezone.now(),
            )
        except DomainError as refusal:
            form.add_error("file", str(refusal))
        else:
            return go(request, "crm:imports:detail", found.pk)
    return _list(request, form, status=422)


@requires(Permission.IMPORT_RUN, scope=Scope.OWN)
@require_safe
def import_detail(request: HttpRequest, import_id: int) -> HttpResponse:
    """The step at which the import is."""
    return _detail(request, _own_import(request, import_id))


@requires(Permission.IMPORT_RUN, scope=Scope.OWN)
@require_safe
def import_progress(request: HttpRequest, import_id: int) -> HttpResponseBase:
    """How far the job is; when it has ended, the whole page is asked for once."""
    found = _own_import(request, import_id)
    state = import_state(found)
    if state.step != "working":
        response = HttpResponse(status=STOP_POLLING)
        response["HX-Refresh"] = "true"
        return response
    context = {"import": found, "state": state}
    return TemplateResponse(request, "crm/imports/_progress.html", context)


@requires(Permission.IMPORT_RUN, scope=Scope.OWN)
@require_POST
def check_file(request: HttpRequest, import_id: int) -> HttpResponseBase:
    """Match the columns and have the file checked."""
    found = _own_import(request, import_id)
    form = _mapping_form(found, request.POST)
    if form.is_valid():
        try:
            job = actions.check_import(
                file_import=found, mapping=form.mapping(), by=request.user, now=timezone.now()
            )
        except DomainError as refusal:
            form.add_error(None, str(refusal))
        else:
            tasks.ring(job.pk)
            return go(request, "crm:imports:detail", found.pk)
    return _detail(request, found, form=form, status=422)


@requires(Permission.IMPORT_RUN, scope=Scope.OWN)
@require_POST
def apply_file(request: HttpRequest, import_id: int) -> HttpResponseBase:
    """Take the checked file in."""
    found = _own_import(request, import_id)
    try:
        job = actions.apply_import(file_import=found, by=request.user, now=timezone.now())
    except DomainError as refusal:
        messages.error(request, str(refusal))
    else:
        tasks.ring(job.pk)
    return go(request, "crm:imports:detail", found.pk)


@requires(Permission.IMPORT_RUN, scope=Scope.OWN)
@require_POST
def cancel_import(request: HttpRequest, import_id: int) -> HttpResponseBase:
    """Stop the running check or import; nothing of it stays."""
    found = _own_import(request, import_id)
    if found.job is not None:
        try:
            cancel_job(job=found.job, by=request.user, now=timezone.now())
        except DomainError as refusal:
            messages.error(request, str(refusal))
    return go(request, "crm:imports:detail", found.pk)


def _detail(
    request: HttpRequest, found: FileImport, form: MappingForm | None = None, status: int = 200
) -> HttpResponse:
    state = import_state(found)
    form = form or _mapping_form(found)
    context = {
        "import": found,
        "state": state,
        "form": form,
        "columns": _columns(found, form),
        "shows_mapping": state.step in ("mapping", "problems", "stopped", "ready"),
    }
    return TemplateResponse(request, "crm/imports/detail.html", context, status=status)


def _columns(found: FileImport, form: MappingForm) -> list[tuple]:
    """Each column with its choice and what its first cells hold."""
    columns = []
    for position, header in enumerate(found.headers):
        if header:
            cells = [row[position] for row in found.sample if position < len(row)]
            columns.append((header, form[f"column_{position}"], [cell for cell in cells if cell]))
    return columns


def _mapping_form(found: FileImport, data=None) -> MappingForm:
    kind = row_kind(found.kind)
    return MappingForm(data, kind=kind, headers=found.headers, mapping=found.mapping)


def _own_import(request: HttpRequest, import_id: int) -> FileImport:
    rows = FileImport.objects.for_user(request.user).select_related("job")
    return get_object_or_404(rows, pk=import_id)
