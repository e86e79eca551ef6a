"""Media: ids live three days and belong to the scene they were uploaded for (12.2)."""

import sqlite3

from .api import Call, Raw, Upload, endpoint
from .clock import DAY
from .wire import Refused, text

LIFETIME = 3 * DAY
SMALLEST = 5
MEGABYTE = 1024 * 1024
LARGEST = {
    "image": (10 * MEGABYTE, 40009),
    "voice": (2 * MEGABYTE, 45001),
    "video": (10 * MEGABYTE, 40011),
    "file": (20 * MEGABYTE, 40006),
}
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
SCENES = {"1": "moments", "2": "album"}


@endpoint("POST", "media/upload")
def media_upload(call: Call) -> dict:
    kind = call.query.get("type", "")
    media_id, created_at = _keep(call, kind, "common", LARGEST.get(kind))
    return {"type": kind, "media_id": media_id, "created_at": str(created_at)}


@endpoint("POST", "media/upload_attachment")
def media_upload_attachment(call: Call) -> dict:
    kind, scene = call.query.get("media_type", ""), SCENES.get(call.query.get("attachment_type"))
    if scene is None:
        raise Refused(40058, "attachment_type")
    largest = None if kind == "voice" or kind not in LARGEST else (10 * MEGABYTE, 41080)
    media_id, created_at = _keep(call, kind, scene, largest)
    return {"type": kind, "media_id": media_id, "created_at": created_at}


@endpoint("POST", "media/uploadimg")
def media_uploadimg(call: Call) -> dict:
    media_id, _ = _keep(call, "image", "url", (2 * MEGABYTE, 40009))
    return {"url": f"https://wework.qpic.example/wwpic/{media_id}/0"}


@endpoint("GET", "media/get")
def media_get(call: Call) -> Raw:
    row = usable(call, text(call.query, "media_id", missing=41006), scene="")
    disposition = f'attachment; filename="{row["media_id"]}.{row["kind"]}"'
    return Raw(row["content_type"], row["content"], {"Content-Disposition": disposition})


def usable(call: Call, media_id: str, *, scene: str) -> sqlite3.Row:
    """The stored file, if its id still works for this scene."""
    row = call.db.execute("select * from media where media_id = ?", (media_id,)).fetchone()
    if row is None or row["scene"] == "url" or call.now - row["created_at"] > LIFETIME:
        raise Refused(40007, media_id)
    if scene and row["scene"] != scene:
        raise Refused(41072, media_id)
    return row


def _keep(call: Call, kind: str, scene: str, largest: tuple[int, int] | None) -> tuple[str, int]:
    if largest is None:
        raise Refused(40004, kind)
    upload = call.upload or Upload("", "", b"")
    if len(upload.content) <= SMALLEST:
        raise Refused(44001 if not upload.content else 40006)
    if not upload.filename:
        raise Refused(40005, "filename missing")
    if len(upload.content) > largest[0]:
        raise Refused(largest[1])
    if kind == "image" and not upload.content.startswith(PICTURES):
        raise Refused(40005)
    media_id, created_at = call.sandbox.new_id("3sbx"), int(call.now)
    call.db.execute(
        "insert into media values (?, ?, ?, ?, ?, ?, ?)",
        (
            *(media_id, kind, scene, upload.filename, upload.content_type or "image/jpeg"),
            *(upload.content, created_at),
        ),
    )
    call.effect(media_id, {"type": kind, "scene": scene, "bytes": len(upload.content)})
    return media_id, created_at
