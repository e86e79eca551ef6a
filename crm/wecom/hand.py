"""The operator's hand on a sandbox, for benchmarks: what its control page does, as calls.

Nothing here is WeCom's; the sandbox itself is a process of its own and is not imported.
"""

from typing import Any

import httpx


class SandboxHand:
    """``act("step", kind="add")`` changes its world, ``look("ledger")`` reads it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._line = httpx.Client(base_url=f"{url}/_sandbox/", timeout=30)

    def act(self, path: str, **body: Any) -> Any:
        """Post to a control address."""
        return self._line.post(path, json=body).raise_for_status().json()

    def look(self, path: str, **query: Any) -> Any:
        """Get from a control address."""
        return self._line.get(path, params=query).raise_for_status().json()
