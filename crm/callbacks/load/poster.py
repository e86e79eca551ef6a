"""The other process: posts ready bytes over kept-alive connections, each as soon as it can.

``poster.py PORT FILE CONNECTIONS`` prints one JSON object. Standard library only, so
that it starts at once and takes little of the cores that the server needs.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path


def requests_of(path: Path) -> Iterator[bytes]:
    """The requests of a file: four bytes of length before each."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 4 + length]
        at += 4 + length


class Poster(asyncio.Protocol):
    """One connection: the next request goes out when the last one is answered."""

    def __init__(self, waiting: Iterator[bytes], seconds: list[float], statuses: Counter) -> None:
        self.waiting, self.seconds, self.statuses = waiting, seconds, statuses
        self.done = asyncio.get_running_loop().create_future()
        self.answer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found or len(body) < length_of(head):
            return
        self.seconds.append(time.perf_counter() - self.begun)
        self.statuses[self.answer[9:12].decode()] += 1
        self.answer = b""
        self._post()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.statuses["cut"] += 1
            self.done.set_result(None)

    def _post(self) -> None:
        request = next(self.waiting, None)
        if request is None:
            self.done.set_result(None)
            self.transport.close()
            return
        self.begun = time.perf_counter()
        self.transport.write(request)


def length_of(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _colon, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def post_all(port: int, waiting: Iterator[bytes], connections: int) -> dict:
    """Post them all; rates and latencies."""
    seconds: list[float] = []
    statuses: Counter = Counter()
    begun, loop = time.perf_counter(), asyncio.get_running_loop()
    posters = [
        (
            await loop.create_connection(
                lambda: Poster(waiting, seconds, statuses), "127.0.0.1", port
            )
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(poster.done for _transport, poster in posters))
    wall = time.perf_counter() - begun
    seconds.sort()
    return {
        "per_s": len(seconds) / wall,
        "p50_ms": 1000 * seconds[len(seconds) // 2],
        "p99_ms": 1000 * seconds[int(len(seconds) * 0.99)],
        "accepted": statuses["200"],
        "statuses": dict(statuses),
        "load_cpu_ms": 1000 * time.process_time() / len(seconds),
    }


if __name__ == "__main__":
    ready = list(requests_of(Path(sys.argv[2])))
    print(json.dumps(asyncio.run(post_all(int(sys.argv[1]), iter(ready), int(sys.argv[3])))))
