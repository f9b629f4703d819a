"""What params.yaml names is what is read, or nothing is."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tasks.models import pinned
from tasks.models.pinned import folder_digest, hub_model, pinned_file, pinned_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def model(folder: Path, weights: bytes = b"weights", name: str = "model.safetensors") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / name).write_bytes(weights)
    return folder


def test_a_directory_is_pinned_by_its_digest(tmp_path: Path) -> None:
    """The digest of names and contents, whatever the folder is called."""
    digests = [hashlib.sha256(content).hexdigest() for content in (b"{}", b"weights")]
    text = f"config.json\0{digests[0]}\nmodel.safetensors\0{digests[1]}\n"
    expected = hashlib.sha256(text.encode()).hexdigest()
    for name in ("a", "b"):
        folder = model(tmp_path / name)
        assert folder_digest(folder) == expected
        assert pinned_model(str(folder), expected) == folder


@pytest.mark.parametrize("revision", ["", "main", "0" * 64])
def test_another_digest_is_refused_with_the_right_one(tmp_path: Path, revision: str) -> None:
    """A model that changed under the study's feet is no longer the model of the study."""
    folder = model(tmp_path / "a", b"changed")
    with pytest.raises(ValueError, match=f"write revision: {folder_digest(folder)}"):
        pinned_model(str(folder), revision)


def test_weights_that_can_run_code_are_refused(tmp_path: Path) -> None:
    """No safetensors, no model."""
    folder = model(tmp_path / "a", name="pytorch_model.bin")
    with pytest.raises(ValueError, match=r"no \*\.safetensors"):
        pinned_model(str(folder), folder_digest(folder))


@pytest.mark.parametrize("revision", ["main", "0123456", COMMIT.upper(), "0" * 64])
def test_a_branch_is_refused_with_its_commit(revision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Branches move and short hashes are ambiguous. The message is the line to write; without the hub, the page."""
    info = SimpleNamespace(model_info=lambda model, revision: SimpleNamespace(sha=COMMIT))
    monkeypatch.setattr(pinned, "HfApi", lambda: info)
    for read in (pinned_model, hub_model):
        with pytest.raises(ValueError, match=f"'{revision}' is no commit.*`revision: {COMMIT}`"):
            read("org/name", revision)

    def unreachable(model: str, revision: str) -> None:
        raise OfflineModeIsEnabled("offline")

    monkeypatch.setattr(pinned, "HfApi", lambda: SimpleNamespace(model_info=unreachable))
    with pytest.raises(ValueError, match=r"could not be asked.*OfflineModeIsEnabled.*huggingface\.co/org/name/commits"):
        hub_model("org/name", revision)


def _answer(error: type[Exception], status: int) -> Exception:
    response = httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co"))
    return error("message", response=response)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            _answer(GatedRepoError, 403),
            r"accept its terms at https://huggingface\.co/org/name.*`hf auth login`.*HF_TOKEN",
        ),
        (_answer(RepositoryNotFoundError, 404), r"no model org/name.*check the id in params\.yaml"),
        (_answer(RevisionNotFoundError, 404), f"has no commit {COMMIT}"),
        (_answer(HfHubHTTPError, 502), f"`hf download org/name --revision {COMMIT}`"),
        (LocalEntryNotFoundError("not cached"), f"`hf download org/name --revision {COMMIT}`"),
        (OfflineModeIsEnabled("offline"), "HF_HUB_OFFLINE is set, or there is no network"),
    ],
)
def test_the_hubs_refusals_say_what_to_do(error: Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gated, missing or private, no such commit, a failing hub, offline: base models and scorers get one answer."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(pinned, "snapshot_download", refuse)
    for read in (pinned_model, hub_model):
        with pytest.raises(ValueError, match=message):
            read("org/name", COMMIT)


def test_only_files_that_cannot_run_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit is asked for without asking what it is, and neither pickles nor Python files are."""
    asked: dict[str, Any] = {}

    def download(model: str, **options: Any) -> str:
        asked.update(model=model, **options)
        return str(tmp_path)

    monkeypatch.setattr(pinned, "HfApi", None)
    monkeypatch.setattr(pinned, "snapshot_download", download)
    assert hub_model("org/name", COMMIT) == tmp_path
    assert (asked["model"], asked["revision"]) == ("org/name", COMMIT)
    assert not {"*.bin", "*.pt", "*.pkl", "*.py", "*"} & set(asked["allow_patterns"])


def test_a_commit_is_read_from_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `hf download org/name --revision COMMIT` leaves it, without any network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(pinned, "snapshot_download", _in(tmp_path))
    folder = model(tmp_path / "models--org--name" / "snapshots" / COMMIT)
    assert pinned_model("org/name", COMMIT) == folder


def test_what_is_not_in_the_cache_is_asked_for_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stages run offline, so somebody has to fetch it."""
    monkeypatch.setattr(pinned, "snapshot_download", _in(tmp_path))
    with pytest.raises(ValueError, match=f"`hf download org/name --revision {COMMIT}`"):
        pinned_model("org/name", COMMIT)


def _in(cache: Path):
    """The hub's own function, looking into this cache."""
    original = pinned.snapshot_download

    def download(*arguments, **options):
        return original(*arguments, **options, cache_dir=cache)

    return download


def test_a_file_is_pinned_by_its_digest(tmp_path: Path) -> None:
    """sha256sum's number; a changed or missing file is refused."""
    path = tmp_path / "archive.csv"
    path.write_bytes(b"a,b\n")
    digest = hashlib.sha256(b"a,b\n").hexdigest()
    assert pinned_file(path, digest) == path
    path.write_bytes(b"a,c\n")
    with pytest.raises(ValueError, match=rf"archive\.csv: its sha256 is .*says '{digest}'"):
        pinned_file(path, digest)
    with pytest.raises(ValueError, match="no such file"):
        pinned_file(tmp_path / "none.csv", digest)
