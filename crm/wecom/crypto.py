"""WXBizMsgCrypt: the signature and encryption of callbacks.

Three traps: padding is PKCS#7 over 32 bytes although AES works in 16; the key's 43 characters carry
two spare bits that a strict decoder refuses; the signature joins its parts without separators, so
characters can move between them unless the caller fixes their shapes.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32
CIPHER_BLOCK = 16
HEAD = 20  # Random part and the length of the message.


class CryptoRefused(Exception):
    """The text was not made for us with our token and key; ``reason`` names the check."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MessageCrypt:
    """One callback configuration: token, EncodingAESKey and the id we answer to."""

    def __init__(self, *, token: str, aes_key: str, receive_id: str) -> None:
        if len(aes_key) != 43:
            raise ValueError("EncodingAESKey has 43 characters")
        self._key = base64.b64decode(aes_key + "=")
        self._token = token
        self._receive_id = receive_id.encode()

    def signature(self, *, timestamp: str, nonce: str, encrypted: str) -> str:
        """Lower-case hex SHA-1 over the sorted parts."""
        parts = sorted([self._token, timestamp, nonce, encrypted])
        return hashlib.sha1("".join(parts).encode(), usedforsecurity=False).hexdigest()

    def verify(self, signature: str, *, timestamp: str, nonce: str, encrypted: str) -> None:
        """Raises CryptoRefused unless the signature is ours; takes the same time either way."""
        ours = self.signature(timestamp=timestamp, nonce=nonce, encrypted=encrypted)
        if not hmac.compare_digest(ours.encode(), signature.encode()):
            raise CryptoRefused("signature")

    def decrypt(self, encrypted: str) -> bytes:
        """The message inside; raises CryptoRefused with the check that failed."""
        try:
            data = base64.b64decode(encrypted, validate=True)
        except (binascii.Error, ValueError) as error:
            raise CryptoRefused("base64") from error
        if not data or len(data) % CIPHER_BLOCK:
            raise CryptoRefused("length")
        decryptor = self._cipher().decryptor()
        return self._unwrapped(decryptor.update(data) + decryptor.finalize())

    def encrypt(self, message: bytes, *, salt: bytes | None = None) -> str:
        """The Base64 text for a message; ``salt`` is the random part, fixed in tests only."""
        head = (salt or secrets.token_bytes(16)) + len(message).to_bytes(4, "big")
        plain = head + message + self._receive_id
        count = BLOCK - len(plain) % BLOCK
        encryptor = self._cipher().encryptor()
        sealed = encryptor.update(plain + bytes([count]) * count) + encryptor.finalize()
        return base64.b64encode(sealed).decode()

    def _unwrapped(self, padded: bytes) -> bytes:
        count = padded[-1]
        if not 1 <= count <= BLOCK or padded[-count:] != bytes([count]) * count:
            raise CryptoRefused("padding")
        plain = padded[:-count]
        if len(plain) < HEAD:
            raise CryptoRefused("bounds")
        end = HEAD + int.from_bytes(plain[16:HEAD], "big")
        if end > len(plain):
            raise CryptoRefused("bounds")
        if not hmac.compare_digest(plain[end:], self._receive_id):
            raise CryptoRefused("receiveid")
        return plain[HEAD:end]

    def _cipher(self) -> Cipher:
        return Cipher(algorithms.AES(self._key), modes.CBC(self._key[:CIPHER_BLOCK]))
