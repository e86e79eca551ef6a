"""The product album (reference, 12.1). Attachments say `type` here, not `msgtype`."""

from . import shelf
from .api import Call, endpoint
from .routes_media import usable
from .wire import Refused, limit, number, table, tables, text

PRODUCT = "product"
MOST_CENTS = 50_000 * 100
MOST_PICTURES = 9


@endpoint("POST", "externalcontact/add_product_album")
def add_product_album(call: Call) -> dict:
    body = {
        "product_sn": _serial(call),
        "description": text(call.body, "description", chars=300),
        "price": number(call.body, "price", most=MOST_CENTS),
        "attachments": _pictures(call),
    }
    return {"product_id": shelf.put(call, PRODUCT, "prd", body)}


@endpoint("POST", "externalcontact/get_product_album")
def get_product_album(call: Call) -> dict:
    return {"product": _json(shelf.take(call, PRODUCT, _id(call), unknown=41075))}


@endpoint("POST", "externalcontact/get_product_album_list")
def get_product_album_list(call: Call) -> dict:
    size = limit(call.body, default=50, most=100)
    products, cursor = shelf.page(call, PRODUCT, size=size)
    return {"product_list": [_json(product) for product in products], "next_cursor": cursor}


@endpoint("POST", "externalcontact/update_product_album")
def update_product_album(call: Call) -> dict:
    product = shelf.own(call, PRODUCT, _id(call), unknown=41075)
    changed = {}
    if "product_sn" in call.body:
        changed["product_sn"] = _serial(call)
    if "description" in call.body:
        changed["description"] = text(call.body, "description", chars=300)
    if "price" in call.body:
        changed["price"] = number(call.body, "price", most=MOST_CENTS)
    if "attachments" in call.body:
        changed["attachments"] = _pictures(call)
    shelf.change(call, product, product.body | changed)
    return {}


@endpoint("POST", "externalcontact/delete_product_album")
def delete_product_album(call: Call) -> dict:
    shelf.remove(call, shelf.own(call, PRODUCT, _id(call), unknown=41075))
    return {}


def _id(call: Call) -> str:
    return text(call.body, "product_id", missing=41075)


def _serial(call: Call) -> str:
    serial = text(call.body, "product_sn", missing=None, octets=128, too_long=41074)
    if serial and not (serial.isascii() and serial.isalnum()):
        raise Refused(41074)
    return serial


def _pictures(call: Call) -> list[dict]:
    given = tables(call.body, "attachments")
    if not given:
        raise Refused(41085)
    if len(given) > MOST_PICTURES:
        raise Refused(41064)
    for picture in given:
        if text(picture, "type", missing=41065) != "image":
            raise Refused(41065)
        usable(call, text(table(picture, "image"), "media_id", missing=41006), scene="album")
    return [{"type": "image", "image": {"media_id": p["image"]["media_id"]}} for p in given]


def _json(product: shelf.Thing) -> dict:
    return {"product_id": product.id, "create_time": product.create_time, **product.body}
