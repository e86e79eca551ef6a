"""What WeCom would post: encrypted messages, some of them twice, in any order, as ready bytes."""

import json
import random
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings

from crm.wecom.crypto import MessageCrypt

EMPTY, CALLBACK = "/bench/empty/", "/wecom/callback/"
DOUBLED = 0.2
POSTER = Path(__file__).with_name("poster.py")


class Traffic:
    """Some number of requests, of which one in five repeats an earlier message."""

    def __init__(self, requests: int, *, seed: int) -> None:
        self.requests = requests
        dice = random.Random(seed)  # noqa: S311 - a fixed seed, no secret
        fresh = requests - int(requests * DOUBLED)
        self.messages = [_message(f"{seed}-{number}") for number in range(fresh)]
        again = dice.choices(self.messages, k=requests - fresh)
        self.order = [*self.messages, *again]
        dice.shuffle(self.order)

    def send(self, port: int, address: str, folder: Path, *, connections: int) -> dict:
        """Post it all from another process; what that one has measured."""
        path = folder / "requests"
        with path.open("wb") as file:
            for request in self._written(address, port):
                file.write(struct.pack(">I", len(request)) + request)
        command = [sys.executable, str(POSTER), str(port), str(path), str(connections)]
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


def _message(name: str) -> str:
    return (
        f"<xml><ToUserName><![CDATA[{settings.WECOM_CORP_ID}]]></ToUserName>"
        "<FromUserName><![CDATA[sys]]></FromUserName>"
        f"<CreateTime>{int(time.time())}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        "<Event><![CDATA[change_external_contact]]></Event>"
        "<ChangeType><![CDATA[edit_external_contact]]></ChangeType>"
        f"<UserID><![CDATA[li.ting]]></UserID><ExternalUserID><![CDATA[wm{name}]]></ExternalUserID>"
        "</xml>"
    )
