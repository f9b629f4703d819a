"""Perspective, asked over HTTP from a server on this machine that behaves as badly as the real one."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tasks.plumbing.score_store import score_store
from tasks.scoring.cached_scorer import CachedScorer
from tasks.scoring.perspective_scorer import KEY_VARIABLE, RATE_VARIABLE, PerspectiveScorer
from tasks.scoring.toxicity_scorer import Exchange, Score

KEY = "AIza-canary-51c0ffee"
ROOT = Path(__file__).parents[3]


def good(value: float) -> dict[str, Any]:
    summary = {"summaryScore": {"value": value, "type": "PROBABILITY"}}
    return {"attributeScores": {"TOXICITY": summary}, "languages": ["en"]}


def bad(status: int, message: str, kind: str = "") -> tuple[int, dict[str, Any]]:
    at = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
    details = [{"@type": at, "errorType": kind}] if kind else []
    return status, {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT", "details": details}}


@dataclass
class Service:
    """What the server does: `script` has answers to the next requests, then every text scores its length / 100."""

    url: str = ""
    script: list[Any] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [request["body"]["comment"]["text"] for request in self.requests]


@pytest.fixture
def service() -> Iterator[Service]:
    own = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            own.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
            answer = own.script.pop(0) if own.script else good(len(body["comment"]["text"]) / 100)
            if callable(answer):
                answer = answer()
            status, content, *more = answer if isinstance(answer, tuple) else (200, answer)
            payload = content if isinstance(content, bytes) else json.dumps(content).encode()
            try:
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)
            except (BrokenPipeError, ConnectionResetError):  # the client waited no longer
                pass

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield own
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(RATE_VARIABLE, "10000")


@pytest.fixture
def scorer(service: Service) -> Iterator[tuple[PerspectiveScorer, list[float]]]:
    """A scorer that does not really sleep, and how long it would have slept before another attempt."""
    slept: list[float] = []
    yield PerspectiveScorer(service.url, attempts=4, timeout=0.5, sleep=slept.append), slept


def score(scorer: PerspectiveScorer, *texts: str, language: str = "en") -> list[Score]:
    return scorer.score(language, [Exchange(text, "the prompt") for text in texts])


def waits(slept: list[float]) -> list[float]:
    """Without those of the rate limit, which is a ten-thousandth of a second here."""
    return [seconds for seconds in slept if seconds > 0.001]


def test_the_request_is_the_documented_one(service: Service, scorer) -> None:
    """The continuation alone, its language, TOXICITY, not to be stored; the key in a header and nowhere else."""
    assert score(scorer[0], "you fool", "fine", language="de") == [Score(0.08), Score(0.04)]
    request = service.requests[0]
    assert request["path"] == "/v1alpha1/comments:analyze"
    assert request["body"] == {
        "comment": {"text": "you fool"},
        "languages": ["de"],
        "requestedAttributes": {"TOXICITY": {}},
        "doNotStore": True,
    }
    assert request["headers"].pop("x-goog-api-key") == KEY
    assert KEY not in json.dumps(request)


def hang() -> dict[str, Any]:
    time.sleep(1)
    return good(0.9)


FAILURES: list[tuple[Any, str]] = [
    ((500, b"oops"), "HTTP 500"),
    (bad(503, "try later"), "HTTP 503 try later"),
    ((200, b'{"attributeScores": {"TOX'), "unreadable answer"),
    ((200, b"\xff\xfe"), "unreadable answer"),
    ({}, "unreadable answer"),
    ([], "unreadable answer"),
    (good(1.5), "unreadable answer"),
    ({"attributeScores": {"TOXICITY": {"summaryScore": {"value": None}}}}, "unreadable answer"),
    ({"attributeScores": {"TOXICITY": {"summaryScore": {"value": True}}}}, "unreadable answer"),
    ((200, b'{"attributeScores": {"TOXICITY": {"summaryScore": {"value": NaN}}}}'), "unreadable answer"),
    (bad(400, "strange"), "HTTP 400 strange"),
    (hang, "ReadTimeout"),
]


@pytest.mark.parametrize(("failure", "said"), FAILURES)
def test_a_passing_failure_costs_an_attempt_and_no_score(service: Service, scorer, failure: Any, said: str) -> None:
    """Asked again after 1 s, 2 s, ...; the score is the one of the good answer."""
    service.script = [failure, failure]
    assert score(scorer[0], "you fool", "x") == [Score(0.08), Score(0.01)]
    assert service.texts == ["you fool"] * 3 + ["x"]
    assert waits(scorer[1]) == [1, 2]


@pytest.mark.parametrize(("failure", "said"), FAILURES[:3])
def test_a_lasting_failure_is_no_score_and_not_the_next_texts_fault(service, scorer, failure, said) -> None:
    """After 4 attempts the text has a reason, is not final, and the next one has 4 attempts of its own."""
    service.script = [failure] * 4 + [(500, b"")] * 3
    first, second = score(scorer[0], "you fool", "x")
    assert first == Score(None, f"no answer in 4 attempts: {said}", final=False)
    assert second == Score(0.01)


def test_too_many_requests_wait_as_long_as_they_are_told(service: Service, scorer) -> None:
    """Retry-After in seconds, and as a date; without one the wait doubles."""
    busy = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}
    date = formatdate(time.time() + 30, usegmt=True)
    service.script = [(429, busy, {"Retry-After": "7"}), (429, busy, {"Retry-After": date}), (429, busy)]
    assert score(scorer[0], "you fool") == [Score(0.08)]
    seven, thirty, doubled = waits(scorer[1])
    assert seven == 7 and 27 < thirty <= 30 and doubled == 4


def test_a_service_that_wants_to_be_left_alone_for_long_ends_the_run(service: Service, scorer) -> None:
    """A daily quota says Retry-After: 40000; waiting that long would block the stage."""
    service.script = [(429, b"", {"Retry-After": "40000"})]
    with pytest.raises(ConnectionError, match=r"asks to wait 40000 s .*Scores so far are kept"):
        score(scorer[0], "you fool")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            bad(
                400, "Attribute TOXICITY does not support request languages: pl", "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"
            ),
            "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        ),
        (bad(400, "Attribute TOXICITY does not support request languages: pl"), "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"),
        (bad(400, "Comment must be non-empty.", "COMMENT_EMPTY"), "COMMENT_EMPTY"),
        (bad(400, "too long", "COMMENT_TOO_LONG"), "COMMENT_TOO_LONG"),
    ],
)
def test_what_is_wrong_with_the_text_is_its_reason_at_once(service: Service, scorer, answer, reason) -> None:
    """Asking again would not help: one request, and the answer is final."""
    service.script = [answer]
    assert score(scorer[0], "you fool", "x", language="pl") == [Score(None, reason), Score(0.01)]
    assert len(service.requests) == 2


def test_an_empty_text_is_not_sent(service: Service, scorer) -> None:
    """Perspective refuses it; its score is missing, not 0."""
    assert score(scorer[0], "", " \n") == [Score(None, "COMMENT_EMPTY")] * 2
    assert service.requests == []


def test_an_undeclared_language_is_not_sent_unless_asked_for(service: Service, scorer) -> None:
    """Perspective has 18 languages, one of them Hinglish; Swahili is none."""
    assert score(scorer[0], "x", language="sw") == [Score(None, "perspective does not know sw")]
    assert len(scorer[0].card.languages) == 17 and service.requests == []
    assert score(PerspectiveScorer(service.url, beyond_declared=True), "x", language="sw") == [Score(0.01)]


def test_a_dead_service_ends_the_run(scorer) -> None:
    """Five texts in a row without an answer; the first four are no scores that anybody could take for final."""
    dead = PerspectiveScorer("http://127.0.0.1:9", attempts=2, sleep=lambda _: None)
    assert [s.final for s in score(dead, "a", "b", "c", "d")] == [False] * 4
    with pytest.raises(ConnectionError, match=r"none of 5 texts in a row, 2 attempts each.*ConnectError"):
        score(dead, "e")


REFUSED = {
    "error": {
        "code": 400,
        "message": f"API key not valid: {KEY}",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
    }
}


@pytest.mark.parametrize(
    "answer",
    [
        (400, REFUSED),
        (401, REFUSED),
        (403, {"error": {"message": f"key {KEY} is suspended"}}),
        (404, b"gone"),
        (302, b""),
    ],
)
def test_a_refused_key_ends_the_run_without_being_told(service: Service, scorer, answer) -> None:
    """No answer will come; the server's message repeats the key, ours does not."""
    service.script = [answer]
    with pytest.raises(ValueError, match="Perspective") as caught:
        score(scorer[0], "you fool")
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert len(service.requests) == 1


def test_no_message_has_the_key(service: Service, scorer, caplog: pytest.LogCaptureFixture, capfd) -> None:
    """Every failure whose text repeats the key: in no reason, log line or output, at the most talkative level."""
    caplog.set_level(logging.DEBUG)
    service.script = [
        bad(500, f"failed for {KEY}"),
        (429, {"error": {"message": KEY}}, {"Retry-After": "1"}),
        hang,
        ([1],),
    ]
    service.script[3] = bad(503, KEY)
    (missing,) = score(scorer[0], "you fool")
    assert missing.reason == "no answer in 4 attempts: HTTP 503 ***"
    assert "HTTP Request: POST" in caplog.text
    printed = capfd.readouterr()
    assert KEY not in caplog.text + printed.out + printed.err


@pytest.mark.parametrize("value", ["", "  ", f"{KEY}\nx", f"{KEY} x", f"{KEY}é", f"{KEY}\x00"[:-1] + "\x7f"])
def test_a_key_that_is_none_is_named_by_its_variable_only(service, monkeypatch, value: str) -> None:
    """An HTTP library would quote a malformed header in its error."""
    monkeypatch.setenv(KEY_VARIABLE, value)
    with pytest.raises(ValueError, match=KEY_VARIABLE) as caught:
        score(PerspectiveScorer(service.url), "you fool")
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert service.requests == []


def test_requests_keep_to_the_quota(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 a second: five requests take at least 4/20 s."""
    monkeypatch.setenv(RATE_VARIABLE, "20")
    scorer = PerspectiveScorer(service.url)
    started = time.monotonic()
    assert len(score(scorer, *"abcde")) == 5
    assert time.monotonic() - started >= 4 / 20
    monkeypatch.setenv(RATE_VARIABLE, "fast")
    with pytest.raises(ValueError, match=f"{RATE_VARIABLE} is 'fast'"):
        PerspectiveScorer(service.url)


def test_what_was_answered_is_not_asked_for_again(service: Service, tmp_path: Path) -> None:
    """The service dies in the middle: what it answered is kept, text by text, and only the rest is asked for later."""
    texts = [Exchange(text) for text in ("a", "bb", "ccc", "dddd")]
    service.script = [good(0.1), good(0.2), (404, b"")]
    with score_store(tmp_path) as store:
        with pytest.raises(ValueError, match="404"):
            CachedScorer(PerspectiveScorer(service.url), store).score("en", texts)
        service.requests.clear()
        scores = CachedScorer(PerspectiveScorer(service.url), store).score("en", texts)
    assert [one.value for one in scores] == [0.1, 0.2, 0.03, 0.04]
    assert service.texts == ["ccc", "dddd"]


def test_scores_that_are_kept_need_neither_key_nor_service(service: Service, tmp_path: Path, monkeypatch) -> None:
    """After 2026 a study with kept scores still runs."""
    with score_store(tmp_path) as store:
        first = CachedScorer(PerspectiveScorer(service.url), store).score("en", [Exchange("a")])
        monkeypatch.delenv(KEY_VARIABLE)
        assert CachedScorer(PerspectiveScorer(service.url), store).score("en", [Exchange("a")]) == first
    assert len(service.requests) == 1


RUN = """
import sys
from pathlib import Path
from tasks.scoring.cached_scorer import CachedScorer
from tasks.scoring.perspective_scorer import PerspectiveScorer
from tasks.scoring.toxicity_scorer import Exchange
from tasks.plumbing.score_store import score_store
with score_store(Path(sys.argv[2])) as store:
    scores = CachedScorer(PerspectiveScorer(sys.argv[1]), store).score("en", [Exchange("x" * n) for n in range(1, 7)])
print([score.value for score in scores])
"""


def test_a_killed_run_goes_on_where_it_was(service: Service, tmp_path: Path) -> None:
    """SIGKILL while the fourth request waits: the next process asks for the last three texts only."""
    arrived, release = threading.Event(), threading.Event()

    def wait() -> dict[str, Any]:
        arrived.set()
        release.wait(20)
        return good(0.99)

    service.script = [good(0.01), good(0.02), good(0.03), wait]
    command = [sys.executable, "-c", RUN, service.url, str(tmp_path)]
    first = subprocess.Popen(command, cwd=ROOT)
    assert arrived.wait(30)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    release.set()
    service.requests.clear()
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert second.stdout.strip() == "[0.01, 0.02, 0.03, 0.04, 0.05, 0.06]"
    assert service.texts == ["xxxx", "xxxxx", "xxxxxx"]
    assert KEY not in second.stderr
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert everything and KEY.encode() not in everything
