"""HTTP with the standard library: it can do what a fault needs, such as saying nothing at all."""

import json
import socket
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

from . import control, control_archive, page
from .api import Raw, Upload
from .core import Sandbox
from .faults import Fault
from .wire import refusal

LARGEST = 25 * 1024 * 1024
API = "/cgi-bin/"
CONTROL = "/_sandbox/"
ARCHIVE = control_archive.FAULTY


class Server(ThreadingHTTPServer):
    """One thread per connection; a restart takes the same port at once."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no news; anything else is told whole."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # Headers and body leave in one piece.
    timeout = 75

    def __init__(self, sandbox: Sandbox, *arguments):
        self.sandbox = sandbox
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_HEAD(self) -> None:
        self._serve("GET")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, verb: str) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        raw = self._body()
        if raw is None:
            return
        if url.path.startswith(API):
            self._api(verb, url.path[len(API) :], query, raw)
        elif url.path.startswith(CONTROL):
            self._control(verb, url.path[len(CONTROL) :], query, raw)
        elif url.path == "/" and verb == "GET":
            self._page(query)
        else:
            self._send(404, b"Not Found", "text/plain")

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > LARGEST or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self._send(413, b"Request Entity Too Large", "text/plain")
            return None
        return self.rfile.read(int(length))

    # The API

    def _api(self, verb: str, method: str, query: dict[str, str], raw: bytes) -> None:
        if method not in self.sandbox.routes:
            self._send(404, b"Not Found", "text/plain")
            return
        struck = self.sandbox.faults.draw(method, self._page_asked_for(query, raw))
        for fault in struck:
            if fault.kind == "delay":
                self.sandbox.stopping.wait(fault.delay)
        fault = next((fault for fault in struck if fault.kind != "delay"), None)
        if fault and not fault.kind.startswith("effect_then"):
            self._suffer(method, fault)
            return
        answer, effects = self.sandbox.answer(method, verb, query, raw, self._upload(raw))
        if fault:
            self._fall_silent(fault, effects)
        elif isinstance(answer, Raw):
            self._send(200, answer.content, answer.content_type, answer.headers)
        else:
            self._json(answer)

    def _page_asked_for(self, query: dict[str, str], raw: bytes) -> int:
        """Only faults on a page look into the body before the call is accepted."""
        cursor = query.get("cursor")
        if not cursor and b'"cursor"' in raw:
            try:
                cursor = json.loads(raw).get("cursor")
            except (ValueError, AttributeError):
                cursor = None
        return self.sandbox.cursors.page_of(cursor)

    def _suffer(self, method: str, fault: Fault) -> None:
        self.sandbox.note(method, fault.errcode if fault.kind == "errcode" else -500, 0.0)
        if fault.kind == "drop":
            self._hang_up()
        elif fault.kind == "http_500":
            self._send(500, b"Internal Server Error", "text/plain")
        else:
            self._json(refusal(fault.errcode))

    def _fall_silent(self, fault: Fault, effects: list[int]) -> None:
        """The effect stands, the caller never hears of it."""
        with self.sandbox.store.write() as db:
            db.executemany(
                "update ledger set answered = 'no' where id = ?", [(row,) for row in effects]
            )
        if fault.kind == "effect_then_timeout":
            self.sandbox.stopping.wait(fault.delay)
        self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _upload(self, raw: bytes) -> Upload | None:
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            return None
        return multipart(kind, raw) or Upload("", "", b"")

    # Control and page

    def _control(self, verb: str, path: str, query: dict[str, str], raw: bytes) -> None:
        if not self._is_local():
            self._json({"error": "loopback only"}, status=403)
            return
        if verb == "POST" and "application/json" not in self.headers.get("Content-Type", ""):
            # A web page elsewhere can send forms here, but not JSON without asking first.
            self._json({"error": "send Content-Type: application/json"}, status=415)
            return
        if path in ARCHIVE and self._struck(path):
            return
        status, answer = control.handle(self.sandbox, verb, path, query, raw)
        self._json(answer, status=status)

    def _struck(self, path: str) -> bool:
        """The archive's transport has bad days like the API; it has no effects to stand."""
        struck = self.sandbox.faults.draw(path, 1)
        for fault in struck:
            if fault.kind in ("delay", "effect_then_timeout"):
                self.sandbox.stopping.wait(fault.delay)
        fault = next((fault for fault in struck if fault.kind != "delay"), None)
        if fault and fault.kind.startswith("effect_then"):
            self._hang_up()
        elif fault:
            self._suffer(path, fault)
        return fault is not None

    def _page(self, query: dict[str, str]) -> None:
        if not self._is_local():
            self._send(403, b"loopback only", "text/plain")
            return
        body = page.render(self.sandbox, english=query.get("lang") == "en").encode()
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        self._send(200, body, "text/html; charset=utf-8", policy)

    def _is_local(self) -> bool:
        """The caller and the name it used: no other site may point its name at us."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        named_locally = host in ("localhost", "127.0.0.1", "::1")
        return named_locally and ip_address(self.client_address[0]).is_loopback

    # Answers

    def _json(self, answer: dict | list, *, status: int = 200) -> None:
        body = json.dumps(answer, ensure_ascii=False).encode()
        self._send(status, body, "application/json; charset=UTF-8")

    def _send(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        """Requests stand on the page and in the counts, not in a log."""


def multipart(content_type: str, raw: bytes) -> Upload | None:
    """The part named `media` of a form upload."""
    _, _, boundary = content_type.partition("boundary=")
    boundary = boundary.split(";")[0].strip().strip('"')
    if not boundary:
        return None
    for part in raw.split(b"--" + boundary.encode()):
        head, gap, content = part.partition(b"\r\n\r\n")
        lines = head.decode(errors="replace").split("\r\n")
        disposition = next((li for li in lines if li.lower().startswith("content-disposition")), "")
        fields = dict(
            item.strip().split("=", 1) for item in disposition.split(";")[1:] if "=" in item
        )
        if gap and fields.get("name", "").strip('"') == "media":
            kind = next((li for li in lines if li.lower().startswith("content-type")), ":")
            return Upload(
                filename=fields.get("filename", "").strip('"'),
                content_type=kind.partition(":")[2].strip(),
                content=content.removesuffix(b"\r\n"),
            )
    return None


def make_server(sandbox: Sandbox) -> Server:
    return Server((sandbox.config.host, sandbox.config.port), partial(Handler, sandbox))
