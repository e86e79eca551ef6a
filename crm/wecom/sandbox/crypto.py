"""WeCom's message encryption from the platform's side: it signs and encrypts what it sends."""

import base64
import hashlib
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32  # PKCS#7 over 32 bytes, although AES works in 16.


class CryptoError(Exception):
    """The text was not made with this token, key and receiver."""


class MessageCrypt:
    """One callback configuration: token, EncodingAESKey and receiver id."""

    def __init__(self, *, token: str, aes_key: str, receive_id: str):
        if len(aes_key) != 43:
            raise CryptoError("EncodingAESKey has 43 characters")
        # The 43 characters carry two spare bits, which strict decoders refuse.
        self.key = base64.b64decode(aes_key + "=")
        self.token = token
        self.receive_id = receive_id

    def signature(self, *, timestamp: str, nonce: str, encrypted: str) -> str:
        parts = sorted([self.token, timestamp, nonce, encrypted])
        return hashlib.sha1("".join(parts).encode(), usedforsecurity=False).hexdigest()

    def encrypt(self, message: str, *, salt: bytes | None = None) -> str:
        body = message.encode()
        plain = (
            (salt or secrets.token_bytes(16))
            + len(body).to_bytes(4, "big")
            + body
            + self.receive_id.encode()
        )
        count = BLOCK - len(plain) % BLOCK
        padded = plain + bytes([count]) * count
        cipher = self._cipher().encryptor()
        return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()

    def decrypt(self, encrypted: str) -> str:
        """The message inside; used by tests and by those who copy this as a receiver."""
        data = base64.b64decode(encrypted)
        if not data or len(data) % 16:
            raise CryptoError("length is not a multiple of the cipher block")
        cipher = self._cipher().decryptor()
        padded = cipher.update(data) + cipher.finalize()
        count = padded[-1]
        if not 1 <= count <= BLOCK or padded[-count:] != bytes([count]) * count:
            raise CryptoError("padding")
        plain = padded[:-count]
        end = 20 + int.from_bytes(plain[16:20], "big")
        if len(plain) < 20 or end > len(plain):
            raise CryptoError("declared length is outside the message")
        if plain[end:].decode(errors="replace") != self.receive_id:
            raise CryptoError("receiver id")
        return plain[20:end].decode()

    def _cipher(self) -> Cipher:
        return Cipher(algorithms.AES(self.key), modes.CBC(self.key[:16]))
