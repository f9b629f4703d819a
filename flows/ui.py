"""Starts Prefect for this project: server, worker, deployments, and the reports that artifacts link to."""

import argparse
import contextlib
import ipaddress
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from flows import children
from flows.local_server import NOTE, answers
from tasks.plumbing import ledger, project

START_SECONDS = 120  # a new database takes 17.5 s on two cores, more on busy ones
STOP_SECONDS = 20
REVIVALS, REVIVAL_SECONDS = 5, 600  # so often within so long; more is no accident
POOL = "local"


class StartError(RuntimeError):
    """Something that did not start; the message says what, why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Serves until interrupted. Exit status: 0 interrupted, 1 it could not start or ended by itself."""
    parser = argparse.ArgumentParser(prog="python -m flows.ui", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; this machine only by default")
    parser.add_argument("--port", type=int, default=4200, help="of the Prefect UI; the reports are on the next one")
    chosen = parser.parse_args(arguments)
    try:
        refuse_open_door(chosen.host)
        serve(chosen.host, chosen.port)
    except StartError as error:
        print(f"make ui: {error}", file=sys.stderr)
        return 1
    return 0


def refuse_open_door(host: str) -> None:
    """StartError for an address that others can reach, unless the server asks for a password.

    Whoever reaches a Prefect server without one can start flows, which run programs.
    """
    if _is_loopback(host) or os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        return
    raise StartError(
        f"{host} can be reached from other machines. Set PREFECT_SERVER_API_AUTH_STRING (and PREFECT_API_AUTH_STRING "
        "for those who use it) to user:password first, or keep to 127.0.0.1 and use an SSH tunnel"
    )


def serve(host: str, port: int) -> None:
    """Starts everything, says where, and waits; ends all of it when interrupted or when one part ends."""
    api = f"http://{_address(host)}:{port}/api"
    reports_url = f"http://{_address(host)}:{port + 1}"
    env = children.environment(
        PREFECT_API_URL=api,
        PREFECT_UI_API_URL=api,
        PREFECT_SERVER_UI_API_URL=api,
        POLYDETOX_REPORTS_URL=reports_url,
    )
    if auth := env.get("PREFECT_SERVER_API_AUTH_STRING"):
        env.setdefault("PREFECT_API_AUTH_STRING", auth)
    _refuse_second(api)
    # Started in the background, a shell has us ignore SIGINT, and what we start would inherit that and never end.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    with contextlib.ExitStack() as running:
        server = _Part("server", ["server", "start", "--host", host, "--port", str(port)], env)
        running.callback(server.end)
        server.start()
        _wait_for(api, server)
        _prefect(["work-pool", "create", POOL, "--type", "process", "--overwrite"], env)
        _prefect(["--no-prompt", "deploy", "--all"], env)
        worker = _Part("worker", ["worker", "start", "--pool", POOL], env)
        running.callback(worker.end)
        worker.start()
        running.enter_context(_reports(host, port + 1))
        running.enter_context(_note(api))
        print(
            f"\nPrefect:  http://{_address(host)}:{port}/deployments   pick a flow, Run > Custom run shows its form\n"
            f"Reports:  {reports_url}\nMLflow:   `make mlflow` in another terminal\nCtrl-C stops.",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(0.5)
                for part in (server, worker):
                    part.revive()


class _Part:
    """The server or the worker: a process that is started again when something else ended it."""

    def __init__(self, name: str, arguments: list[str], env: dict[str, str]) -> None:
        self.name, self._arguments, self._env = name, arguments, env
        self._log = NOTE.parent / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._revived: list[float] = []

    def start(self) -> None:
        self._log.parent.mkdir(exist_ok=True)
        with self._log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "prefect", *self._arguments],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # A Ctrl-C is for us: we end them in order, so that the worker can still tell the server.
                start_new_session=True,
            )

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def revive(self) -> None:
        """Starts it again if it ended; runs that it had started go on meanwhile.

        Raises:
            StartError: if it ended too often to be worth another try.
        """
        if not self.ended():
            return
        now = time.monotonic()
        self._revived = [*(moment for moment in self._revived if now - moment < REVIVAL_SECONDS), now]
        if len(self._revived) > REVIVALS:
            raise StartError(f"the {self.name} ended {REVIVALS + 1} times; see {self._log}")
        print(f"the {self.name} ended by itself (see {self._log}); starting it again", flush=True)
        self.start()

    def end(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        children.end_group(self._process.pid, self._process.poll)
        self._process.wait()


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _address(host: str) -> str:
    """How this machine reaches what listens on `host`."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "localhost") else host  # compared, not bound


def _refuse_second(api: str) -> None:
    if answers(api):
        raise StartError(f"a Prefect server answers at {api} already; use it, or give another PORT")


def _wait_for(api: str, server: _Part) -> None:
    print(f"starting Prefect's server at {api} ...", flush=True)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.ended():
            raise StartError("the server ended while starting; see .prefect/server.log")
        if answers(api):
            return
        time.sleep(0.3)
    raise StartError(f"the server did not answer within {START_SECONDS} s; see .prefect/server.log")


def _prefect(arguments: list[str], env: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-m", "prefect", *arguments], env=env, capture_output=True, text=True)
    if done.returncode:
        raise StartError(f"prefect {' '.join(arguments)}: {children.redact((done.stdout + done.stderr).strip())}")


@contextlib.contextmanager
def _reports(host: str, port: int) -> Iterator[None]:
    """Serves the reports that flows kept, and nothing else."""
    folder = project.root() / ledger.FOLDER / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = ThreadingHTTPServer((host, port), partial(_Quiet, directory=str(folder)))
    except OSError as error:
        raise StartError(f"reports need port {port}: {error.strerror}; give another PORT") from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A terminal that says where things are stays readable."""


@contextlib.contextmanager
def _note(api: str, note: Path = NOTE) -> Iterator[None]:
    """While it runs, `make flow` finds this server."""
    note.write_text(json.dumps({"api": api}) + "\n", encoding="utf-8")
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
