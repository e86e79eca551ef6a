"""The test library of ``archive_sdk.c``: built once; what it serves is prepared in a folder."""

import base64
import ctypes
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding

from crm.wecom.sandbox.archive_crypto import make_pair

SOURCE = Path(__file__).with_name("archive_sdk.c")
TEXT_KEY = "a key of text"


def build(folder: Path, *flags: str) -> Path:
    """Compile the library; a compiler that complains fails the test.

    Without a compiler the test is left out, which is an error with CI=true or REQUIRE_GCC=1.
    """
    if shutil.which("gcc") is None:
        missing = "no gcc: install gcc and the headers of the C library to test the native archive"
        if os.environ.get("CI") == "true" or os.environ.get("REQUIRE_GCC") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    target = folder / "archive_sdk.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", *flags]
    subprocess.run([*command, "-o", str(target), str(SOURCE)], check=True, capture_output=True)
    return target


@pytest.fixture(scope="session")
def archive_library(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("archive-sdk"))


@pytest.fixture(scope="session")
def key_pairs() -> dict[int, tuple[str, str]]:
    """Public and private PEM of two key versions."""
    return {1: make_pair(), 2: make_pair()}


class Shelf:
    """The folder that the library serves from, under the name of a corporation."""

    def __init__(self, folder: Path, library: Path, pairs: dict[int, tuple[str, str]]) -> None:
        self.folder, self.library, self._pairs = folder, library, pairs
        self._lines: list[str] = []
        (folder / "media").mkdir(parents=True)

    def live(self) -> list[int]:
        """Slices, media and sessions that were handed out and never given back."""
        live = ctypes.CDLL(str(self.library)).Live
        return [live(what) for what in range(3)]

    def say(self, wire: dict[str, Any], *, seq: int, version: int = 1) -> None:
        """Put a message at the end of the stream, locked with the key of ``version``."""
        text = json.dumps(wire, ensure_ascii=False)
        self.lock(text, seq=seq, version=version, msgid=wire["msgid"])

    def lock(
        self, text: str, *, seq: int, msgid: str, version: int = 1, text_key: str = TEXT_KEY
    ) -> None:
        public = serialization.load_pem_public_key(self._pairs[version][0].encode())
        locked = public.encrypt(text_key.encode(), padding.PKCS1v15())
        row = {
            "seq": seq,
            "msgid": msgid,
            "publickey_ver": version,
            "encrypt_random_key": base64.b64encode(locked).decode(),
            "encrypt_chat_msg": scrambled(text, text_key),
        }
        self._lines.append(f"{seq}\t{json.dumps(row)}")
        self.write("messages", "\n".join(self._lines) + "\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def fail(self, function: str, code: int) -> None:
        self.write(f"fail_{function}", str(code))

    def mend(self, function: str) -> None:
        (self.folder / f"fail_{function}").unlink()

    def put_file(self, name: str, content: bytes) -> None:
        (self.folder / "media" / name).write_bytes(content)


def scrambled(text: str, text_key: str) -> str:
    """What DecryptData of the test library reads back."""
    plain, key = b"ok" + text.encode(), text_key.encode() or b"?"
    return bytes(byte ^ key[at % len(key)] for at, byte in enumerate(plain)).hex()


@pytest.fixture
def shelf(tmp_path, archive_library, key_pairs, settings):
    """The product's archive pointed at the library, with the key of version 1 in its folder.

    Whatever a test did, everything that the library handed out must be back at its end.
    """
    made = Shelf(tmp_path / "corporation", archive_library, key_pairs)
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "1.pem").write_text(key_pairs[1][1])
    settings.WECOM_ARCHIVE = "native"
    settings.WECOM_ARCHIVE_LIBRARY = str(archive_library)
    settings.WECOM_CORP_ID = str(made.folder)
    settings.WECOM_ARCHIVE_SECRET = "secret"
    settings.WECOM_ARCHIVE_KEYS = str(keys)
    settings.MEDIA_ROOT = str(tmp_path / "media")
    yield made
    assert made.live() == [0, 0, 0]
