"""Between NumPy and roaring bitmaps."""

from array import array

import numpy as np
from pyroaring import BitMap


def bitmap(ids: np.ndarray) -> BitMap:
    """A bitmap of ids below 2^32. An `array` is taken five times faster than a NumPy array."""
    return BitMap(array("I", ids.astype(np.uint32).tobytes()))


def ids_of(bits: BitMap) -> np.ndarray:
    """The ids in a bitmap, ascending."""
    return np.frombuffer(bits.to_array(), np.uint32)
