"""Calls at the edge of what the product needs: openids, tickets, sign-in, cards."""

from . import shelf
from .api import Call, endpoint
from .clock import DAY
from .people import contact, member
from .wire import Refused, number, strings, text

TICKET_SECONDS = 7200
CODE, TICKET = "code.", "ticket."  # What stands before the userid.
CARD = "card"


@endpoint("POST", "externalcontact/convert_to_openid")
def convert_to_openid(call: Call) -> dict:
    """WeChat customers only."""
    person = contact(call, text(call.body, "external_userid", missing=41035))
    if person["type"] != 1:
        raise Refused(41056, person["external_userid"])
    return {"openid": f"oid{person['external_userid'][2:]}"}


@endpoint("GET", "get_jsapi_ticket")
def get_jsapi_ticket(call: Call) -> dict:
    return _ticket(call)


@endpoint("GET", "ticket/get")
def ticket_get(call: Call) -> dict:
    if call.query.get("type") != "agent_config":
        raise Refused(40058, "type")
    return _ticket(call)


@endpoint("GET", "auth/getuserinfo")
def auth_getuserinfo(call: Call) -> dict:
    """The `code` of somebody's sign-in is `code.` and their userid here."""
    userid = _after(CODE, text(call.query, "code"), "code")
    return {"userid": member(call, userid)["userid"], "user_ticket": f"{TICKET}{userid}"}


@endpoint("POST", "auth/getuserdetail")
def auth_getuserdetail(call: Call) -> dict:
    """What a member has agreed to hand over."""
    userid = _after(TICKET, text(call.body, "user_ticket"), "user_ticket")
    row = member(call, userid)
    return {"userid": userid, "gender": row["gender"], "mobile": row["mobile"]}


@endpoint("POST", "message/update_template_card")
def update_template_card(call: Call) -> dict:
    """A `response_code` works once and for a day."""
    strings(call.body, "userids", most=1000)
    number(call.body, "agentid")
    if not call.body.get("button") and not call.body.get("template_card"):
        raise Refused(40063, "button, template_card")
    code = text(call.body, "response_code")
    card = shelf.own(call, CARD, code, unknown=40058)
    if call.now - card.create_time > DAY:
        raise Refused(40058, "response_code")
    shelf.remove(call, card)
    return {"invaliduser": []}


def _ticket(call: Call) -> dict:
    return {"ticket": call.sandbox.new_id("tkt"), "expires_in": TICKET_SECONDS}


def _after(prefix: str, given: str, name: str) -> str:
    if not given.startswith(prefix):
        raise Refused(40058, f"invalid {name}")
    return given.removeprefix(prefix)
