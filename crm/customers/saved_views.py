"""Keeping the customer list's conditions, order and columns under a name."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils.translation import gettext as _

from crm.agents.access import Permission
from crm.agents.actions import audit
from crm.agents.models import User
from crm.customers.models import SavedView
from crm.shared.errors import DomainError
from crm.shared.filters import kept
from crm.shared.text import clean_text

PARAM = "view"
MOST, QUERY_CHARS, NAME_CHARS = 30, 2000, 32


class ViewRefused(DomainError):
    """A view cannot be kept like that."""

    code = "view_refused"


def question_of(params: QueryDict) -> str:
    """What a view keeps of an address: not the place in the list, nor whose name was looked for."""
    query = QueryDict(mutable=True)
    for name, value in kept(params, without=(PARAM, "q")):
        query.appendlist(name, value)
    return query.urlencode()


def may_share(user: User) -> bool:
    """Whoever plans for others shares views with them."""
    return user.can(Permission.AUDIENCE_SAVE)


@transaction.atomic
def save_view(
    *,
    name: str,
    query: str,
    is_shared: bool,
    by: User,
    now: datetime,
    view: SavedView | None = None,
) -> SavedView:
    """Keep a new view, or what an own view says from now on; raises ViewRefused at its field."""
    name = clean_text(name)
    if not name or len(name) > NAME_CHARS:
        raise ViewRefused(_("请填写名称，最多 %(n)s 字") % {"n": NAME_CHARS}, field="name")
    if len(query) > QUERY_CHARS:
        raise ViewRefused(_("条件太多，存不下；请减少后再存"), field="query")
    if is_shared and not may_share(by):
        raise ViewRefused(_("共享视图由主管、运营和经理建立"), field="is_shared")
    own = SavedView.objects.for_user(by).owned_by(by)
    if view is None and own.count() >= MOST:
        raise ViewRefused(_("最多存 %(n)s 个视图，请先删除不用的") % {"n": MOST}, field="name")
    row = view or SavedView(owner=by)
    row.name, row.query, row.is_shared = name, query, is_shared
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as taken:
        raise ViewRefused(_("您已有同名的视图，换一个名称"), field="name") from taken
    audit(by, "view.save", row, now=now, is_shared=is_shared)
    return row


@transaction.atomic
def drop_view(*, view: SavedView, by: User, now: datetime) -> None:
    """Forget an own view."""
    audit(by, "view.drop", view, now=now, name=view.name)
    view.delete()
