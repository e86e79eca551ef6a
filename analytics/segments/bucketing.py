"""Random shares: a customer's place out of 10,000 under a salt, the same in SQL and NumPy.

The finaliser of MurmurHash3 (32 bits) over id and salt; the SQL function of the same name stands in
a migration. Never change it: frozen controls depend on it.
"""

import hashlib

import numpy as np

PLACES = 10_000
_MASK = np.uint64(0xFFFFFFFF)


def seed_of(salt: str) -> int:
    """The seed of a salt: the first 32 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(salt.encode()).digest()[:4], "big")


def bucket_of(ids: np.ndarray, seed: int) -> np.ndarray:
    """Places 0 to 9,999 of customer ids (uint64)."""
    h = ((ids & _MASK) ^ (ids >> np.uint64(32)) ^ np.uint64(seed)) & _MASK
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(0x85EBCA6B)) & _MASK
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(0xC2B2AE35)) & _MASK
    h ^= h >> np.uint64(16)
    return (h % np.uint64(PLACES)).astype(np.int64)
