"""The other process, at an even pace: each request at its own time, whatever became of the last.

``pacer.py PORT FILE CONNECTIONS PER_SECOND`` prints one JSON object. A request that gets no 200
comes again as WeCom's do: three times more, some seconds apart. Its time runs from when it was due,
so that waiting for a free connection counts as well.
"""

import asyncio
import heapq
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from poster import length_of, requests_of

TRIES = 4
AGAIN_SECONDS = 5.0
ANSWER_SECONDS = 5.0  # Later than this, WeCom has hung up.


@dataclass
class Posting:
    """Requests with the time at which each is due, and what became of them."""

    requests: list[bytes]
    per_second: float
    due: list[tuple[float, int, int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    statuses: Counter = field(default_factory=Counter)
    accepted: set[int] = field(default_factory=set)
    under_way: int = 0

    async def post(self, port: int, connections: int) -> dict:
        """Post them all; rates, latencies, and which ones were never accepted."""
        begun = time.perf_counter()
        numbers = range(len(self.requests))
        self.due = [(begun + number / self.per_second, number, 1) for number in numbers]
        await asyncio.gather(*(self._work(port) for _ in range(connections)))
        seconds = sorted(self.seconds)
        return {
            "per_s": len(seconds) / (time.perf_counter() - begun),
            "p50_ms": 1000 * seconds[len(seconds) // 2],
            "p99_ms": 1000 * seconds[int(len(seconds) * 0.99)],
            "worst_ms": 1000 * seconds[-1],
            "accepted": sorted(self.accepted),
            "statuses": dict(self.statuses),
        }

    async def _work(self, port: int) -> None:
        """One connection; it is opened anew after a failure."""
        line = None
        while self.due or self.under_way:
            if not self.due:
                await asyncio.sleep(0.01)
                continue
            when, number, tried = heapq.heappop(self.due)
            self.under_way += 1
            await asyncio.sleep(max(0.0, when - time.perf_counter()))
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    line = line or await asyncio.open_connection("127.0.0.1", port)
                    status = await _posted(*line, self.requests[number])
            except (OSError, EOFError) as error:  # A timeout is an OSError, too.
                line, status = None, type(error).__name__
            self._told(number, tried, status, time.perf_counter() - when)
        if line:
            line[1].close()

    def _told(self, number: int, tried: int, status: str, seconds: float) -> None:
        self.under_way -= 1
        self.statuses[status] += 1
        if status == "200":
            self.accepted.add(number)
            self.seconds.append(seconds)
        elif tried < TRIES:
            again = time.perf_counter() + AGAIN_SECONDS
            heapq.heappush(self.due, (again, number, tried + 1))


async def _posted(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> str:
    """The status of one answer, read to its end."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(length_of(head))
    return head[9:12].decode()


if __name__ == "__main__":
    port, path, connections, per_second = sys.argv[1:]
    posting = Posting(list(requests_of(Path(path))), float(per_second))
    print(json.dumps(asyncio.run(posting.post(int(port), int(connections)))))
