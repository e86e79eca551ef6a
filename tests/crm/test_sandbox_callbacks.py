"""What the sandbox's people do, and how it is told: encrypted, retried, twice, out of order."""

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from crm.wecom.sandbox.crypto import CryptoError, MessageCrypt
from tests.sandbox_fixture import SandboxProcess
from tests.waiting import eventually

# The published vectors (reference, 13.3).
A = MessageCrypt(
    token="QDG6eK",
    aes_key="jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    receive_id="wx5823bf96d3bd56c7",
)
B = MessageCrypt(
    token="123456",
    aes_key="kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR",
    receive_id="wx49f0ab532d5d035a",
)
A1 = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
A2 = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3Qczc"
    "dCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLj"
    "vd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMn"
    "vw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k"
    "22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2Yoy"
    "yH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
)
B1 = "4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q=="
B2_PLAIN = """<xml>
<MsgType><![CDATA[text]]></MsgType>
<Content><![CDATA[test]]></Content>
<FromUserName><![CDATA[wx49f0ab532d5d035a]]></FromUserName>
<ToUserName><![CDATA[messense]]></ToUserName>
<AgentID>1</AgentID>
<CreateTime>1411525903</CreateTime>
</xml>"""
B2 = (
    "9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNc"
    "BqGsL8GqxlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY"
    "0nFhHZSjPUL2Q1qvSUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsV"
    "bwbgX05UPPJvFurDXafG0RQyPR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAG"
    "VRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3"
)
C1 = "sKqRbbiSUnDhFHOvPjtUMQrUcKIVyA9kjT9tZ/iGGYfILjCDUyimbeywszRM2nTdL1ntSWMGxFluvIto82+HBg=="
C2_PLAIN = (
    "<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>"
    "<FromUserName><![CDATA[sys]]></FromUserName><CreateTime>1735689600</CreateTime>"
    "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[change_external_contact]]></Event>"
    "<ChangeType><![CDATA[del_follow_user]]></ChangeType><UserID><![CDATA[agent01]]></UserID>"
    "<ExternalUserID><![CDATA[wmTESTcustomer01]]></ExternalUserID></xml>"
)
C2 = (
    "sKqRbbiSUnDhFHOvPjtUMeSbdEMpu1HQ6q8+sQlZlRfyWk1KwmFp1D6L+/0lRfns0PcS6q3sadiajsk53dlWaZDd"
    "gdkuyMi8XuwpjV8od2KjGMm9VjhnrPaATYLeRLYTjkFHajwz9DBTHSqRcRm0sgAwJ208H94jrX1BlsgZWUI+ff8g"
    "5h/oSWY0DsMccv52gz2dEElJXDwbA5o4UaVsiDlnqIACsvnPA7Q/Yas13DZShu7ZeaQgEreM59C1VEAsadU98F7m"
    "SGBPM3oywJA/QQdaNPOYXUEwExgtO6dFA19XqTjZh6tUQWlfSjMihEAwD3ii6hrrAg1Ls6ryA7ucaDHz8mqlV3Z4"
    "jO7zAyxLle/4qN/RHoUs5Xvg9YZMfMk0DKpq2og3k/GIB6xqebczMb0tPbIHkVpyEJ41KOGSj9Nw7Wf1pCtNdXxk"
    "8o71zu9cUoIra1IezNZjhcNMyZgF9Mdq4gPlTft+eYGAWPCiU2wu21apiIkoriiaYbRCaK53vPyZ/tUnsMnnqhus"
    "+h9OQu31R4d4aIo5z3knzouCPSZrK1boR2iZiaPkV+gRZI3xaVffO9mXnvjsy3odudgvag=="
)


@pytest.mark.parametrize(
    ("crypt", "timestamp", "nonce", "encrypted", "signature"),
    [
        (A, "1409659589", "263014780", A1, "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"),
        (A, "1409659813", "1372623149", A2, "477715d11cdb4164915debcba66cb864d751f3e6"),
        (B, "1411443780", "437374425", B1, "dd6b9c95b495b3f7e2901bfbc76c664930ffdb96"),
        (B, "1411525903", "461056294", B2, "407518b7649e86ef23978113f92d27afa9296533"),
        (A, "1735689600", "1000002", C1, "46ace32d718e3c1f158ebacbd76337adf249a176"),
        (A, "1735689600", "1000001", C2, "5853571813d5899bb826f8034b80361cc117ee61"),
    ],
)
def test_signatures_are_those_that_were_published(crypt, timestamp, nonce, encrypted, signature):
    assert crypt.signature(timestamp=timestamp, nonce=nonce, encrypted=encrypted) == signature


def test_published_messages_decrypt():
    assert A.decrypt(A1) == "1616140317555161061"
    assert B.decrypt(B1) == "5927782489442352469"
    assert len(A.decrypt(A2).encode()) == 284
    assert "<Content><![CDATA[hello]]></Content>" in A.decrypt(A2)


def test_published_messages_encrypt_to_the_same_letters():
    assert B.encrypt(B2_PLAIN, salt=b"1234567890123456") == B2
    assert A.encrypt("常客", salt=b"0123456789abcdef") == C1
    assert A.encrypt(C2_PLAIN, salt=b"0123456789abcdef") == C2


def test_a_message_for_somebody_else_is_refused():
    other = MessageCrypt(token=A.token, aes_key="jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
                         receive_id="wwother")  # fmt: skip
    with pytest.raises(CryptoError, match="receiver"):
        other.decrypt(C1)


# Callbacks


class Receiver(ThreadingHTTPServer):
    """Somebody who takes callbacks; `answers` are the statuses to give, then 200 for ever."""

    daemon_threads = True

    def __init__(self, crypt: MessageCrypt):
        super().__init__(("127.0.0.1", 0), ReceiverHandler)
        self.crypt = crypt
        self.answers: list[int] = []
        self.received: list[ElementTree.Element] = []
        self.url = f"http://127.0.0.1:{self.server_port}/callback/?tenant=1"


class ReceiverHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        query = self._checked(parse_qs(urlsplit(self.path).query)["echostr"][0])
        self._answer(200, self.server.crypt.decrypt(query["echostr"][0]).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        outer = ElementTree.fromstring(body)
        self._checked(outer.findtext("Encrypt"))
        inner = ElementTree.fromstring(self.server.crypt.decrypt(outer.findtext("Encrypt")))
        assert outer.findtext("ToUserName") == inner.findtext("ToUserName") == "wwsandbox"
        self.server.received.append(inner)
        self._answer(self.server.answers.pop(0) if self.server.answers else 200, b"")

    def _checked(self, encrypted):
        query = parse_qs(urlsplit(self.path).query)
        assert query["tenant"] == ["1"]
        signature = self.server.crypt.signature(
            timestamp=query["timestamp"][0], nonce=query["nonce"][0], encrypted=encrypted
        )
        assert query["msg_signature"] == [signature]
        return query

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Quiet."""


@pytest.fixture
def receiver(sandbox) -> Iterator[Receiver]:
    crypt = MessageCrypt(token=sandbox.token, aes_key=sandbox.aes_key, receive_id=sandbox.corp_id)
    server = Receiver(crypt)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield server
    sandbox.control("callback", url="")
    server.shutdown()
    server.server_close()


def test_a_receiver_is_checked_before_it_is_told(sandbox, receiver):
    assert sandbox.send_callbacks_to(receiver.url)
    assert not sandbox.send_callbacks_to("http://127.0.0.1:9/nobody")


def test_an_act_arrives_encrypted_with_the_fields_of_its_event(sandbox, receiver):
    sandbox.send_callbacks_to(receiver.url)
    happened = sandbox.step("add", state="store-code")
    sandbox.delivered()
    (event,) = receiver.received
    assert [child.tag for child in event] == [
        *("ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "ChangeType"),
        *("UserID", "ExternalUserID", "State", "WelcomeCode"),
    ]
    assert event.findtext("FromUserName") == "sys"
    assert event.findtext("ExternalUserID") == happened["ExternalUserID"]


@pytest.mark.parametrize(
    ("kind", "event", "change", "fields"),
    [
        ("delete_by_customer", "change_external_contact", "del_follow_user", ["UserID"]),
        ("delete_by_agent", "change_external_contact", "del_external_contact", ["UserID"]),
        ("edit", "change_external_contact", "edit_external_contact", ["UserID"]),
        ("chat", "customer_acquisition", "customer_start_chat", ["LinkId", "State", "UserID"]),
        ("group_create", "change_external_chat", "create", ["ChatId"]),
        ("group_dismiss", "change_external_chat", "dismiss", ["ChatId"]),
        ("group_rename", "change_external_chat", "update", ["UpdateDetail"]),
        ("group_join", "change_external_chat", "update", ["JoinScene", "MemChangeList/Item"]),
        ("group_leave", "change_external_chat", "update", ["QuitScene", "CurMemVer"]),
        ("tag_create", "change_external_tag", "create", ["Id", "TagType"]),
        ("tag_update", "change_external_tag", "update", ["Id", "TagType"]),
        ("tag_delete", "change_external_tag", "delete", ["Id", "TagType"]),
    ],
)
def test_every_kind_of_act_tells_its_own_event(sandbox, receiver, kind, event, change, fields):
    sandbox.send_callbacks_to(receiver.url)
    sandbox.step(kind)
    sandbox.delivered()
    (told,) = receiver.received
    assert (told.findtext("Event"), told.findtext("ChangeType")) == (event, change)
    assert all(told.findtext(field) for field in fields)


def test_a_failing_receiver_is_tried_four_times_then_the_event_is_lost(sandbox, receiver):
    sandbox.send_callbacks_to(receiver.url)
    sandbox.control("callbacks", retry_seconds=0.01)
    receiver.answers = [500, 503, 200]
    sandbox.step("add")
    assert [(c["state"], c["tries"]) for c in sandbox.delivered()] == [("delivered", 3)]
    receiver.answers = [500] * 4
    sandbox.step("add")
    assert [c["state"] for c in sandbox.delivered()] == ["delivered", "lost"]
    identical = {ElementTree.tostring(event) for event in receiver.received[3:]}
    assert len(identical) == 1
    sandbox.control("callbacks/resend", state="lost")
    assert [c["state"] for c in sandbox.delivered()] == ["delivered", "lost", "delivered"]


def test_a_world_born_anew_tells_nobody_of_the_old_receivers(sandbox, receiver):
    sandbox.send_callbacks_to(receiver.url)
    sandbox.control("reset")
    sandbox.step("add")
    assert [told["state"] for told in sandbox.read("callbacks")] == ["unsent"]
    assert receiver.received == []


def test_callbacks_can_come_twice_and_in_any_order(sandbox, receiver):
    sandbox.send_callbacks_to(receiver.url)
    sandbox.control("callbacks", paused=True, duplicate=1.0)
    sandbox.step("add", count=5)
    assert receiver.received == []
    sandbox.control("callbacks", paused=False)
    sandbox.delivered()
    told = Counter(event.findtext("ExternalUserID") for event in receiver.received)
    assert set(told.values()) == {2}
    sandbox.control("callbacks", duplicate=0.0)
    resent = sandbox.control("callbacks/resend", last=4, shuffle=True)
    assert len(resent["queued"]) == 4
    sandbox.delivered()
    assert len(receiver.received) == 14


def test_the_population_acts_once_the_receiver_answers(tmp_path, sandbox, receiver):
    small = ("--agents", "6", "--customers", "60", "--groups", "6", "--speed", "200")
    living = SandboxProcess(tmp_path, *small)
    try:
        living.send_callbacks_to(receiver.url)
        eventually(lambda: len(receiver.received) >= 12, timeout=20)
        assert len({event.findtext("Event") for event in receiver.received}) >= 2
        eventually(lambda: list((living.store / "files" / "incoming").glob("*.csv")), timeout=20)
        living.control("life", on=False)
        assert living.read("state")["life"] is False
    finally:
        living.stop()
