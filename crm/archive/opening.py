"""From a sealed message to what it says; one that cannot be opened stays as it came."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from crm.archive.messages import Said, Wire, read_message
from crm.wecom.archive import Archive, Sealed
from crm.wecom.archive_errors import NoPrivateKey, NotOpened
from crm.wecom.errors import token_of

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
NO_JSON = "archive_no_json"


@dataclass(frozen=True)
class Opened:
    """A message with what it says; ``said`` None where it stays sealed, with the reason."""

    sealed: Sealed
    said: Said | None
    content: Wire | None
    problem: str = ""


def open_message(archive: Archive, sealed: Sealed) -> Opened:
    """Decrypt and read one message. Errors that asking again may mend are passed on."""
    try:
        text = archive.open(sealed)
    except (NoPrivateKey, NotOpened) as error:
        return Opened(sealed, None, None, token_of(error))
    try:
        content = storable(json.loads(text, parse_constant=lambda _name: None))
    except (ValueError, RecursionError):
        return Opened(sealed, None, None, NO_JSON)
    if not isinstance(content, dict):
        return Opened(sealed, None, None, NO_JSON)
    return Opened(sealed, read_message(content), content)


def storable(value: Any) -> Any:
    """The same without what PostgreSQL's JSON refuses: NUL, lone surrogates, infinity."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    if isinstance(value, dict):
        return {storable(key): storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
