"""Group welcome templates (reference, 5.2): the API puts them on the shelf, owners choose."""

from . import shelf
from .api import Call, endpoint
from .routes_messages import check_attachments
from .wire import Refused, number, table, text

TEMPLATE = "template"
MOST = 100
ATTACHMENTS = ("image", "link", "miniprogram", "file", "video")  # Of several the first wins.
PATH = "externalcontact/group_welcome_template"


@endpoint("POST", f"{PATH}/add")
def template_add(call: Call) -> dict:
    if shelf.count(call.db, TEMPLATE) >= MOST:
        raise Refused(41055)
    number(call.body, "notify", default=1, most=1)
    return {"template_id": shelf.put(call, TEMPLATE, "tpl", _content(call))}


@endpoint("POST", f"{PATH}/edit")
def template_edit(call: Call) -> dict:
    template = _own(call)
    shelf.change(call, template, _content(call))
    return {}


@endpoint("POST", f"{PATH}/get")
def template_get(call: Call) -> dict:
    return dict(shelf.take(call, TEMPLATE, text(call.body, "template_id"), unknown=40058).body)


@endpoint("POST", f"{PATH}/del")
def template_del(call: Call) -> dict:
    shelf.remove(call, _own(call))
    return {}


def _own(call: Call) -> shelf.Thing:
    return shelf.own(call, TEMPLATE, text(call.body, "template_id"), unknown=40058, foreign=41058)


def _content(call: Call) -> dict:
    content = text(table(call.body, "text"), "content", missing=None, octets=4000, too_long=45002)
    kind = next((kind for kind in ATTACHMENTS if call.body.get(kind)), "")
    if not content and not kind:
        raise Refused(44004)
    kept: dict = {"text": {"content": content}} if content else {}
    if kind:
        kept[kind] = table(call.body, kind)
        check_attachments(call, [{"msgtype": kind, kind: kept[kind]}])
    return kept
