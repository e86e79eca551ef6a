"""The published vectors of WXBizMsgCrypt."""

import base64

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from crm.wecom.crypto import CryptoRefused, MessageCrypt

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
A_KEY = bytes.fromhex("8d69989bbaabe67328014c194631ad0719b3dca035b64023df292447aab60760")
A1 = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
A2 = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911"
    "L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLx"
    "AUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9"
    "nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/u"
    "h9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
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
    "9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8Gq"
    "xlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qv"
    "SUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQy"
    "PR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3"
)
C1 = "sKqRbbiSUnDhFHOvPjtUMQrUcKIVyA9kjT9tZ/iGGYfILjCDUyimbeywszRM2nTdL1ntSWMGxFluvIto82+HBg=="
C2 = (
    "sKqRbbiSUnDhFHOvPjtUMeSbdEMpu1HQ6q8+sQlZlRfyWk1KwmFp1D6L+/0lRfns0PcS6q3sadiajsk53dlWaZDdgdkuyMi8"
    "XuwpjV8od2KjGMm9VjhnrPaATYLeRLYTjkFHajwz9DBTHSqRcRm0sgAwJ208H94jrX1BlsgZWUI+ff8g5h/oSWY0DsMccv52"
    "gz2dEElJXDwbA5o4UaVsiDlnqIACsvnPA7Q/Yas13DZShu7ZeaQgEreM59C1VEAsadU98F7mSGBPM3oywJA/QQdaNPOYXUEw"
    "ExgtO6dFA19XqTjZh6tUQWlfSjMihEAwD3ii6hrrAg1Ls6ryA7ucaDHz8mqlV3Z4jO7zAyxLle/4qN/RHoUs5Xvg9YZMfMk0"
    "DKpq2og3k/GIB6xqebczMb0tPbIHkVpyEJ41KOGSj9Nw7Wf1pCtNdXxk8o71zu9cUoIra1IezNZjhcNMyZgF9Mdq4gPlTft+"
    "eYGAWPCiU2wu21apiIkoriiaYbRCaK53vPyZ/tUnsMnnqhus+h9OQu31R4d4aIo5z3knzouCPSZrK1boR2iZiaPkV+gRZI3x"
    "aVffO9mXnvjsy3odudgvag=="
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
def test_a_published_signature_is_ours(crypt, timestamp, nonce, encrypted, signature):
    crypt.verify(signature, timestamp=timestamp, nonce=nonce, encrypted=encrypted)
    with pytest.raises(CryptoRefused, match="signature"):
        crypt.verify(signature, timestamp=timestamp, nonce=nonce + "0", encrypted=encrypted)


def test_published_messages_decrypt():
    assert A.decrypt(A1) == b"1616140317555161061"
    assert B.decrypt(B1) == b"5927782489442352469"
    assert B.decrypt(B2).decode() == B2_PLAIN
    assert A.decrypt(C1).decode() == "常客"
    assert len(A.decrypt(A2)) == 284
    assert b"<Content><![CDATA[hello]]></Content>" in A.decrypt(A2)
    assert A.decrypt(C2).endswith(
        b"<ExternalUserID><![CDATA[wmTESTcustomer01]]></ExternalUserID></xml>"
    )
    assert len(A.decrypt(C2)) == 380


def test_published_messages_encrypt_to_the_same_text():
    assert B.encrypt(B2_PLAIN.encode(), salt=b"1234567890123456") == B2
    assert A.encrypt("常客".encode(), salt=b"0123456789abcdef") == C1


@pytest.mark.parametrize("length", range(64))
def test_every_length_is_padded_to_32_bytes_and_comes_back(length):
    sealed = A.encrypt(b"x" * length)
    assert len(base64.b64decode(sealed)) % 32 == 0
    assert A.decrypt(sealed) == b"x" * length


def sealed(plain: bytes) -> str:
    encryptor = Cipher(algorithms.AES(A_KEY), modes.CBC(A_KEY[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "length"),
        ("not base64!", "base64"),
        ("é", "base64"),
        (base64.b64encode(b"x" * 17).decode(), "length"),
        (sealed(b"\x00" * 32), "padding"),
        (sealed(b"\x21" * 48), "padding"),
        (sealed(b"\x00" * 31 + b"\x02"), "padding"),
        (sealed(b"\x20" * 32), "bounds"),
        (sealed(b"r" * 16 + b"\xff\xff\xff\xff" + b"x" * 11 + b"\x01"), "bounds"),
        (B.encrypt(b"x", salt=b"0123456789abcdef"), "padding"),
        (sealed(b"r" * 16 + b"\0\0\0\x01x" + b"wx5823bf96d3bd56c8" + b"\x19" * 25), "receiveid"),
        (sealed(b"r" * 16 + b"\0\0\0\x01x" + b"wx5823bf96d3bd56c7x" + b"\x18" * 24), "receiveid"),
    ],
)
def test_whatever_is_not_for_us_is_refused_with_the_check_that_failed(text, reason):
    with pytest.raises(CryptoRefused, match=reason):
        A.decrypt(text)
