"""Contact ways: codes that lead to a member (reference, 4.1). Scans are in `acts_channels`."""

from . import shelf
from .api import Call, endpoint
from .clock import DAY, HOUR
from .people import relation
from .routes_directory import receivers
from .routes_media import usable
from .wire import Refused, flag, integers, limit, number, strings, table, text

WAY, JOIN_WAY = "way", "join_way"
MOST = 500_000  # Contact ways and join ways of a corp together.
MOST_USERS = 100
SINGLE, SEVERAL = 1, 2
PLUGIN, QR_CODE = 1, 2


@endpoint("POST", "externalcontact/add_contact_way")
def add_contact_way(call: Call) -> dict:
    kind = _choice(call.body, "type", missing=41037, invalid=41039)
    scene = _choice(call.body, "scene", missing=41038, invalid=41040)
    temporary = flag(call.body, "is_temp", default=False)
    if not temporary:
        refuse_too_many(call)
    body = {"type": kind, "scene": scene, "is_temp": temporary, **_fields(call, kind, temporary)}
    config_id = shelf.put(call, WAY, "cfg", body)
    return {"config_id": config_id, **_qr_code(config_id, body)}


@endpoint("POST", "externalcontact/get_contact_way")
def get_contact_way(call: Call) -> dict:
    way = _way(call)
    shown = {name: value for name, value in way.body.items() if name != "used"}
    return {"contact_way": {"config_id": way.id, **shown, **_qr_code(way.id, way.body)}}


@endpoint("POST", "externalcontact/list_contact_way")
def list_contact_way(call: Call) -> dict:
    """Those that are not temporary."""
    since = number(call.body, "start_time", default=int(call.now) - 90 * DAY)
    until = number(call.body, "end_time", default=int(call.now))
    size = limit(call.body, default=100, most=1000)
    ways, cursor = shelf.page(call, WAY, size=size, since=since, until=until)
    listed = [{"config_id": way.id} for way in ways if not way.body["is_temp"]]
    return {"contact_way": listed, "next_cursor": cursor}


@endpoint("POST", "externalcontact/update_contact_way")
def update_contact_way(call: Call) -> dict:
    """Overwrites: what is left out becomes empty. Type, scene and is_temp stay."""
    way = _own(call)
    if expired(way, call.now):
        raise Refused(41044, "the temporary contact way has expired")
    fixed = {name: way.body[name] for name in ("type", "scene", "is_temp")}
    shelf.change(call, way, fixed | _fields(call, fixed["type"], fixed["is_temp"]))
    return {}


@endpoint("POST", "externalcontact/del_contact_way")
def del_contact_way(call: Call) -> dict:
    shelf.remove(call, _own(call))
    return {}


@endpoint("POST", "externalcontact/close_temp_chat")
def close_temp_chat(call: Call) -> dict:
    pair = relation(
        call,
        text(call.body, "userid", missing=41009),
        text(call.body, "external_userid", missing=41035),
    )
    closed = call.db.execute(
        "update way_scans set chat_until = ? where userid = ? and external_userid = ?"
        " and chat_until > ?",
        (call.now, pair["userid"], pair["external_userid"], call.now),
    )
    if not closed.rowcount:
        raise Refused(60136, "no temporary session")
    call.effect(f"temp_chat/{pair['userid']}/{pair['external_userid']}")
    return {}


def refuse_too_many(call: Call) -> None:
    if shelf.count(call.db, WAY, JOIN_WAY) >= MOST:
        raise Refused(41045)


def expired(way: shelf.Thing, now: float) -> bool:
    """A temporary code dies with its time, and with its first scan (`used`)."""
    if not way.body["is_temp"]:
        return False
    return bool(way.body.get("used")) or now > way.create_time + way.body["expires_in"]


def _way(call: Call) -> shelf.Thing:
    return shelf.take(call, WAY, text(call.body, "config_id", missing=41043), unknown=41044)


def _own(call: Call) -> shelf.Thing:
    return shelf.own(call, WAY, text(call.body, "config_id", missing=41043), unknown=41044)


def _choice(body: dict, name: str, *, missing: int, invalid: int) -> int:
    if body.get(name) is None:
        raise Refused(missing, name)
    if body[name] not in (1, 2):
        raise Refused(invalid, name)
    return int(body[name])


def _fields(call: Call, kind: int, temporary: bool) -> dict:
    body = call.body
    users = strings(body, "user", most=MOST_USERS, too_many=41041)
    parties = integers(body, "party", most=MOST_USERS)
    if kind == SINGLE and (len(users) != 1 or parties):
        raise Refused(40058, "type 1 takes exactly one user and no party")
    if not users and not parties:
        raise Refused(40063, "user, party")
    people = receivers(call, users, parties)
    if len(people) > MOST_USERS:
        raise Refused(41041)
    if not people:
        raise Refused(40031)
    fields = {
        "style": number(body, "style", default=0, most=9),
        "remark": text(body, "remark", missing=None, chars=30),
        "skip_verify": flag(body, "skip_verify", default=True),
        "state": text(body, "state", missing=None, chars=30),
        "user": users,
        "party": parties,
        "is_exclusive": flag(body, "is_exclusive", default=False),
        "mark_source": flag(body, "mark_source", default=True),
    }
    return fields | (_session(call, kind) if temporary else {})


def _session(call: Call, kind: int) -> dict:
    if kind != SINGLE:
        raise Refused(40058, "a temporary contact way leads to one person")
    return {
        "expires_in": number(call.body, "expires_in", default=7 * DAY, least=1, most=14 * DAY),
        "chat_expires_in": number(
            call.body, "chat_expires_in", default=24 * HOUR, least=1, most=14 * DAY
        ),
        "unionid": text(call.body, "unionid", missing=None),
        "conclusions": _conclusions(call),
    }


def _conclusions(call: Call) -> dict:
    """Text and one thing more; of several the first in this order wins."""
    given = table(call.body, "conclusions")
    content = text(table(given, "text"), "content", missing=None, octets=4000, too_long=45002)
    kept: dict = {"text": {"content": content}} if content else {}
    if given.get("image"):
        media_id = text(table(given, "image"), "media_id", missing=41006)
        usable(call, media_id, scene="common")
        kept["image"] = {"pic_url": f"https://wework.qpic.example/wwpic/{media_id}/0"}
    elif given.get("link"):
        link = table(given, "link")
        text(link, "title", octets=128)
        text(link, "url")
        kept["link"] = link
    elif given.get("miniprogram"):
        card = table(given, "miniprogram")
        text(card, "title", octets=64)
        usable(call, text(card, "pic_media_id", missing=41006), scene="")
        kept["miniprogram"] = card
    return kept


def _qr_code(config_id: str, body: dict) -> dict:
    if body["scene"] != QR_CODE:
        return {}
    return {"qr_code": f"https://wework.example/qr/{config_id}"}
