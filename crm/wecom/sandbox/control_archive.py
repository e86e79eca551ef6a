"""The archive's transport under /_sandbox/archive, in place of the vendor's native library."""

import json
from typing import TYPE_CHECKING, Any

from . import archive, archive_crypto
from .control import control
from .store import rows
from .wire import refusal, success

if TYPE_CHECKING:
    from .core import Sandbox

FAULTY = ("archive", "archive/media")  # What faults may aim at, as if these were methods.


@control("GET", "archive")
def chat_data(sandbox: "Sandbox", given: dict) -> dict[str, Any]:
    """GetChatData: encrypted messages after `seq`, at most `limit`."""
    with sandbox.store.write() as db:
        found = archive.pull(
            sandbox, db, int(given.get("seq", 0)), int(given.get("limit", archive.MOST))
        )
    if isinstance(found, int):
        return refusal(found)
    return success(chatdata=found)


@control("GET", "archive/media")
def media_data(sandbox: "Sandbox", given: dict) -> dict[str, Any]:
    """GetMediaData: a slice of `sdkfileid` from `indexbuf` on, in Base64."""
    with sandbox.store.read() as db:
        found = archive.file_slice(
            sandbox, db, str(given.get("sdkfileid", "")), str(given.get("indexbuf", ""))
        )
    return refusal(found) if isinstance(found, int) else success(**found)


@control("GET", "archive/key")
def archive_keys(sandbox: "Sandbox", given: dict) -> list[dict[str, Any]]:
    """All key versions; private halves of those that the sandbox made itself."""
    with sandbox.store.write() as db:
        found = archive.keys(db, sandbox.clock.now())
    return [
        {
            "publickey_ver": row["version"],
            "public_key": row["public_pem"],
            "private_key": row["private_pem"],
        }
        for row in found
    ]


@control("POST", "archive/key")
def new_archive_key(sandbox: "Sandbox", given: dict) -> dict[str, Any]:
    """The next version: the caller's `public_key`, or a fresh pair of the sandbox's own."""
    if given.get("public_key"):
        pair = (archive_crypto.check_public(str(given["public_key"])), "")
    else:
        pair = archive_crypto.make_pair()
    with sandbox.store.write() as db:
        archive.keys(db, sandbox.clock.now())
        version = archive.add_key(db, sandbox.clock.now(), *pair)
    return {"publickey_ver": version, "public_key": pair[0], "private_key": pair[1]}


@control("GET", "archive/plain")
def plain_messages(sandbox: "Sandbox", given: dict) -> list[dict[str, Any]]:
    """Everything that was ever archived, unencrypted, for comparison."""
    with sandbox.store.read() as db:
        found = rows(
            db.execute(
                "select seq, plain from archive where seq > ? order by seq limit ?",
                (int(given.get("seq", 0)), int(given.get("limit", 100_000))),
            )
        )
    return [{"seq": row["seq"], "message": json.loads(row["plain"])} for row in found]
