"""What a request to the callback address costs, measured in a process of its own.

``python -m tests.crm.callback_costs`` sends every bad request through the product's own WSGI
application and prints JSON. The memory of a test run would say nothing about that of a request.
"""

import json
import re
import sys
import time
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode


def cost(application, query: dict[str, str], body: bytes) -> dict:
    """Status, seconds, and by how many MB the process was larger meanwhile."""
    request = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/wecom/callback/",
        "QUERY_STRING": urlencode(query, errors="surrogatepass"),
        "CONTENT_TYPE": "text/xml",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    statuses: list[str] = []
    before = _memory_kb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # The peak starts anew.
    begun = time.perf_counter()
    answer = b"".join(application(request, lambda status, _headers: statuses.append(status)))
    seconds = time.perf_counter() - begun
    grown = (_memory_kb("VmHWM") - before) / 1024
    return {"status": statuses[0], "answer": answer.decode(), "seconds": seconds, "mb": grown}


def _memory_kb(name: str) -> int:
    return int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def measure(application) -> dict[str, dict]:
    """What each of them costs, after one that warms up."""
    from tests.crm.bad_callbacks import bad_requests  # Needs the application to be set up.

    cost(application, {}, b"")
    return {name: cost(application, *given) for name, (_why, *given) in bad_requests().items()}


if __name__ == "__main__":
    from config.wsgi import application as product

    print(json.dumps(measure(product)))
