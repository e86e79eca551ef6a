"""Uploads by address: the platform fetches, a job tells how it went (reference, 12.2).

This platform lives on a laptop, so it fetches from the laptop only: loopback addresses.
"""

import hashlib
import http.client
import threading
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .api import Call, endpoint
from .routes_media import LARGEST
from .wire import Refused, number, refusal, success, text

if TYPE_CHECKING:
    from .core import Sandbox

RUNNING, DONE, FAILED = 1, 2, 3
RESULT_SECONDS = 3600
PATIENCE = 10


@endpoint("POST", "media/upload_by_url")
def upload_by_url(call: Call) -> dict:
    number(call.body, "scene", least=1, most=1)
    kind = text(call.body, "type", missing=40004)
    if kind not in ("video", "file"):
        raise Refused(40004, kind)
    url, md5 = text(call.body, "url"), text(call.body, "md5")
    filename = text(call.body, "filename")
    job_id = call.sandbox.new_id("upj")
    call.db.execute(
        "insert into upload_jobs (jobid, at, status, kind, filename, url, md5)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        (job_id, call.now, RUNNING, kind, filename, url, md5),
    )
    call.effect(job_id)
    # It waits for the store, hence until this call is committed.
    threading.Thread(
        target=_fetch, args=(call.sandbox, job_id, kind, filename, url, md5), daemon=True
    ).start()
    return {"jobid": job_id}


@endpoint("POST", "media/get_upload_by_url_result")
def get_upload_by_url_result(call: Call) -> dict:
    job_id = text(call.body, "jobid")
    job = call.db.execute("select * from upload_jobs where jobid = ?", (job_id,)).fetchone()
    if job is None or call.now - job["at"] > RESULT_SECONDS:
        raise Refused(40058, "invalid jobid")
    if job["status"] == RUNNING:
        return {"status": RUNNING}
    detail = refusal(job["errcode"]) if job["errcode"] else success()
    if job["media_id"]:
        detail |= {"media_id": job["media_id"], "created_at": str(int(job["done_at"]))}
    return {"status": job["status"], "detail": detail}


def _fetch(sandbox: "Sandbox", job_id: str, kind: str, filename: str, url: str, md5: str) -> None:
    content, errcode = _download(url, LARGEST[kind][0])
    if not errcode and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5.lower():
        errcode = 40058
    if not errcode and len(content) > LARGEST[kind][0]:
        errcode = LARGEST[kind][1]
    now = sandbox.clock.now()
    with sandbox.store.write() as db:
        media_id = ""
        if not errcode:
            media_id = sandbox.new_id("3sbx")
            db.execute(
                "insert into media values (?, ?, 'common', ?, ?, ?, ?)",
                (media_id, kind, filename, "application/octet-stream", content, int(now)),
            )
        db.execute(
            "update upload_jobs set status = ?, errcode = ?, media_id = ?, done_at = ?"
            " where jobid = ?",
            (FAILED if errcode else DONE, errcode, media_id, now, job_id),
        )
        sandbox.postman.tell(db, "upload_media_job_finish", JobId=job_id)
    sandbox.postman.wake()


def _download(url: str, largest: int) -> tuple[bytes, int]:
    """The file, or why there is none: 40058 for an address that cannot be fetched."""
    try:
        parts = urlsplit(url)
        local = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
        if parts.scheme != "http" or not local:
            return b"", 40058
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
        try:
            connection.request("GET", f"{parts.path or '/'}?{parts.query}")
            answer = connection.getresponse()
            content = answer.read(largest + 1)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return b"", 40058
    return content, 0 if answer.status == 200 else 40058
