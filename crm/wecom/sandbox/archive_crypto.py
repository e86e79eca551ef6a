"""How the sandbox's archive is encrypted: the outer layer as on the platform, the inner our own.

1. A text key is drawn: Base64 of 32 random bytes.
2. `encrypt_random_key` = Base64(RSA PKCS#1 v1.5 of that text, with the key of `publickey_ver`).
3. `encrypt_chat_msg` = Base64(12 bytes nonce ‖ AES-256-GCM ciphertext and 16 bytes tag); the AES
   key is SHA-256 of the text key, there is no associated data.

The platform's inner layer is not published, so no real library opens these messages.
"""

import base64
import hashlib
import secrets
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

BITS = 2048
NONCE = 12


class BadKey(ValueError):
    """Not a public RSA key of a fitting size."""


@cache
def first_pair() -> tuple[str, str]:
    """The pair a world begins with; made once a process, as it takes a while."""
    return make_pair()


def make_pair() -> tuple[str, str]:
    """(public, private) as PEM."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    return (
        _public_pem(private.public_key()),
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )


def check_public(pem: str) -> str:
    """The key in a uniform shape, as the console takes it."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError as error:
        raise BadKey(f"not a public key in PEM: {error}") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != BITS:
        raise BadKey(f"an RSA key of {BITS} bits is needed")
    return _public_pem(key)


@cache
def load_public(pem: str) -> rsa.RSAPublicKey:
    return serialization.load_pem_public_key(pem.encode())


def seal(public_pem: str, plain: str) -> tuple[str, str]:
    """(`encrypt_random_key`, `encrypt_chat_msg`) of one message."""
    text_key = base64.b64encode(secrets.token_bytes(32))
    locked = load_public(public_pem).encrypt(text_key, padding.PKCS1v15())
    nonce = secrets.token_bytes(NONCE)
    sealed = nonce + AESGCM(hashlib.sha256(text_key).digest()).encrypt(nonce, plain.encode(), None)
    return base64.b64encode(locked).decode(), base64.b64encode(sealed).decode()


def unlock(private_pem: str, encrypt_random_key: str) -> str:
    """The text key; this half is the receiver's own on the platform, too."""
    private = serialization.load_pem_private_key(private_pem.encode(), None)
    return private.decrypt(base64.b64decode(encrypt_random_key), padding.PKCS1v15()).decode()


def unseal(text_key: str, encrypt_chat_msg: str) -> str:
    """What the vendor's `DecryptData` does, for this archive; raises InvalidTag on a wrong key."""
    sealed = base64.b64decode(encrypt_chat_msg)
    cipher = AESGCM(hashlib.sha256(text_key.encode()).digest())
    return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], None).decode()


def _public_pem(key: rsa.RSAPublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
