"""Chance with a seed: the same seed always tells the same story."""

import random
from collections.abc import Sequence
from itertools import accumulate

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Dice(random.Random):
    """A seeded generator with the few throws that the world needs."""

    def happens(self, probability: float) -> bool:
        return self.random() < probability

    def key(self, prefix: str, length: int = 30) -> str:
        """An opaque id such as WeCom's: a prefix and letters and digits."""
        return prefix + "".join(self.choices(ALPHABET, k=length))

    def hexadecimal(self, length: int = 32) -> str:
        return f"{self.getrandbits(length * 4):0{length}x}"

    def soon(self, mean: float) -> float:
        """A waiting time of this mean, mostly short, sometimes long."""
        return self.expovariate(1.0 / mean)


class Weighted:
    """Draw from values in proportion to their weights, without summing each time."""

    def __init__(self, values: Sequence, weights: Sequence[float]):
        self.values = list(values)
        self.cumulative = list(accumulate(weights))

    def draw(self, dice: Dice):
        return dice.choices(self.values, cum_weights=self.cumulative)[0]
