"""What WeCom would post: encrypted messages, some of them twice, in any order, as ready bytes."""

import json
import random
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings

from crm.wecom.crypto import MessageCrypt

EMPTY, CALLBACK = "/bench/empty/", "/wecom/callback/"
DOUBLED = 0.2
POSTER = Path(__file__).with_name("poster.py")
PACER = Path(__file__).with_name("pacer.py")


class Traffic:
    """Messages in any order, of which one request in five repeats an earlier one."""

    def __init__(self, messages: Sequence[str], *, seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - a fixed seed, no secret
        self.messages = list(messages)
        self.requests = round(len(messages) / (1 - DOUBLED))
        again = dice.choices(self.messages, k=self.requests - len(messages))
        self.order = [*self.messages, *again]
        dice.shuffle(self.order)

    def send(
        self, port: int, address: str, folder: Path, *, connections: int, per_second: float = 0
    ) -> dict:
        """Post it all from another process, at a pace if one is given; what that has measured."""
        path = folder / "requests"
        with path.open("wb") as file:
            for request in self._written(address, port):
                file.write(struct.pack(">I", len(request)) + request)
        program, pace = (PACER, [str(per_second)]) if per_second else (POSTER, [])
        command = [sys.executable, str(program), str(port), str(path), str(connections), *pace]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    def _written(self, address: str, port: int) -> Iterator[bytes]:
        crypt = MessageCrypt(
            token=settings.WECOM_CALLBACK_TOKEN,
            aes_key=settings.WECOM_CALLBACK_AES_KEY,
            receive_id=settings.WECOM_CORP_ID,
        )
        for number, message in enumerate(self.order):
            yield request_bytes(message, crypt, nonce=f"n{number}", address=address, port=port)


def request_bytes(
    message: str, crypt: MessageCrypt, *, nonce: str, address: str, port: int
) -> bytes:
    """One whole HTTP request, as WeCom writes it."""
    encrypted, timestamp = crypt.encrypt(message.encode()), str(int(time.time()))
    signature = crypt.signature(timestamp=timestamp, nonce=nonce, encrypted=encrypted)
    query = urlencode({"msg_signature": signature, "timestamp": timestamp, "nonce": nonce})
    body = (
        f"<xml><ToUserName><![CDATA[{settings.WECOM_CORP_ID}]]></ToUserName>"
        f"<Encrypt><![CDATA[{encrypted}]]></Encrypt><AgentID><![CDATA[]]></AgentID></xml>"
    )
    head = (
        f"POST {address}?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def edits(count: int, *, seed: int) -> list[str]:
    """Messages of customers who were edited, no two alike."""
    return [_edit(f"{seed}-{number}") for number in range(count)]


def _edit(name: str) -> str:
    return (
        f"<xml><ToUserName><![CDATA[{settings.WECOM_CORP_ID}]]></ToUserName>"
        "<FromUserName><![CDATA[sys]]></FromUserName>"
        f"<CreateTime>{int(time.time())}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        "<Event><![CDATA[change_external_contact]]></Event>"
        "<ChangeType><![CDATA[edit_external_contact]]></ChangeType>"
        f"<UserID><![CDATA[li.ting]]></UserID><ExternalUserID><![CDATA[wm{name}]]></ExternalUserID>"
        "</xml>"
    )
