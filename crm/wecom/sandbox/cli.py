"""The command line: make or open a world, serve it until told to stop."""

import argparse
import base64
import secrets
import signal
import sys
import threading
from pathlib import Path

from .core import Config, Sandbox
from .export import copy_files
from .server import make_server
from .store import StoreInUse
from .world import Plan


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="sandbox", description="A local server that speaks the WeCom protocol."
    )
    add = options.add_argument
    add("--port", type=int, default=8300, help="0 takes a free one")
    add("--host", default="127.0.0.1")
    add("--store", type=Path, required=True, metavar="DIR", help="made if it is missing")
    add("--callback-url", default="", help="where encrypted events go")
    add("--corp-id", default="wwsandbox")
    add("--secret", action="append", help="of one app; may be given again for further apps")
    add("--archive-secret", default="sandbox-archive-secret", help="of the chat archive")
    add("--agent-id", type=int, default=1000002)
    add("--token", default="sandboxtoken", help="of the callback configuration")
    add("--aes-key", default=None, help="EncodingAESKey, 43 characters")
    add("--seed", type=int, default=7)
    add("--customers", type=int, default=8000)
    add("--agents", type=int, default=60)
    add("--groups", type=int, default=150)
    add("--days", type=int, default=90)
    add("--agreeing", type=float, default=0.0, help="share of customers in the chat archive")
    add("--empty", action="store_true", help="staff and tags only, no customers")
    add("--no-life", action="store_true", help="nothing happens by itself")
    add("--speed", type=float, default=1.0, help="how fast simulated people act")
    add("--export-files", type=Path, metavar="DIR", help="copy the CSV files there as well")
    return options


def config_from(arguments: list[str]) -> Config:
    options = parser()
    given = options.parse_args(arguments)
    if min(given.customers, given.groups, given.days, given.agents - 1) < 0 or given.speed <= 0:
        options.error("counts must not be negative, agents and speed must be above zero")
    if not 0 <= given.agreeing <= 1:
        options.error("--agreeing is a share between 0 and 1")
    aes_key = given.aes_key or base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    if len(aes_key) != 43:
        options.error("--aes-key has 43 characters")
    return Config(
        store=given.store.resolve(),
        port=given.port,
        host=given.host,
        callback_url=given.callback_url,
        corp_id=given.corp_id,
        secrets=tuple(given.secret or ["sandbox-secret"]),
        archive_secret=given.archive_secret,
        agent_id=given.agent_id,
        token=given.token,
        aes_key=aes_key,
        plan=Plan(
            seed=given.seed,
            customers=given.customers,
            agents=given.agents,
            groups=given.groups,
            days=given.days,
            empty=given.empty,
            agreeing=given.agreeing,
        ),
        life=not given.no_life,
        speed=given.speed,
        export_files=given.export_files,
    )


def main(arguments: list[str] | None = None) -> int:
    config = config_from(sys.argv[1:] if arguments is None else arguments)
    try:
        sandbox = Sandbox(config)
        server = make_server(sandbox)
    except (StoreInUse, OSError) as trouble:  # The port is taken, the folder not ours to write.
        print(f"The sandbox does not start: {trouble}", file=sys.stderr)
        return 1
    if config.export_files:
        copy_files(sandbox.store.files, config.export_files)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    threading.Thread(target=server.serve_forever, args=[0.1], daemon=True).start()
    sandbox.start()
    print(f"Sandbox: http://{config.host}:{server.server_port}/", flush=True)
    done.wait()
    sandbox.stop()
    server.shutdown()
    return 0
