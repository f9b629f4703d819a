"""Models and files from outside the study, named by their content: what params.yaml names is read, or nothing is.

A model is a directory with its digest, or an id of the Hugging Face hub at a commit. DVC cannot watch either, so
params.yaml carries the digest or the commit.
"""

import hashlib
import re
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Weights that cannot run code, and what describes them.
_WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]


def pinned_model(model: str, revision: str) -> Path:
    """Folder of a model with its weights: a local directory with this digest, or a hub id at this commit.

    Args:
        model: Path of a directory, or a hub id such as textdetox/xlmr-large-toxicity-classifier-v2.
        revision: Of a directory: its digest, 64 hexadecimal digits. Of a hub id: a commit, 40 of them.

    Raises:
        ValueError: The revision names no content, or other content; the model is not there; or it has no safetensors.
            The message says what to do.
    """
    folder = _local(Path(model), revision) if Path(model).is_dir() else hub_model(model, revision)
    weight_files(folder, model)
    return folder


def hub_model(model: str, revision: str) -> Path:
    """Folder of the hub's cache with a model at a commit; downloads it unless HF_HUB_OFFLINE is set.

    Raises:
        ValueError: The revision is a branch, there is no such model or commit, it is gated, or the hub cannot be
            reached. The message says what to do.
    """
    if not _COMMIT.fullmatch(revision):
        raise ValueError(_branch(model, revision))
    page = f"https://huggingface.co/{model}"
    try:
        offline = constants.is_offline_mode()
        return Path(snapshot_download(model, revision=revision, allow_patterns=_WANTED, local_files_only=offline))
    except GatedRepoError as error:
        raise ValueError(
            f"{model} is gated: accept its terms at {page}, make a token with read access at "
            "https://huggingface.co/settings/tokens, then `hf auth login`, or set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise ValueError(f"{model} has no commit {revision}: see {page}/commits/main") from error
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"the hub has no model {model} that you may see: check the id in params.yaml; if it is private, "
            "`hf auth login`, or set HF_TOKEN"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError) as error:
        raise ValueError(
            f"{model} at {revision} is not in the hub's cache on this machine, and the hub cannot be reached "
            f"(HF_HUB_OFFLINE is set, or there is no network). Where there is one, `hf download {model} --revision "
            f"{revision}`, and bring HF_HOME here"
        ) from error


def weight_files(folder: Path, model: str) -> list[Path]:
    """The *.safetensors of a folder; ValueError if it has none."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(
            f"{model}: no *.safetensors in {folder}. Weights in other formats can run code when they are read, so they "
            "are not read. A model of the hub may have an automatic conversion among its pull requests or at another "
            "commit: give that commit. Or convert it once, in an isolated place, with "
            "from_pretrained(...).save_pretrained(...), and give the directory"
        )
    return files


def pinned_file(path: Path, sha256: str) -> Path:
    """The file if it has this SHA-256, 64 hexadecimal digits; else ValueError with the digest that it has."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    found = file_digest(path)
    if found != sha256:
        raise ValueError(f"{path}: its sha256 is {found}, params.yaml says {sha256!r}; write the one you mean to use")
    return path


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Digest of the names and contents of a folder's own files, without hidden ones and subfolders."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            digest.update(f"{path.name}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


def _local(folder: Path, revision: str) -> Path:
    found = folder_digest(folder)
    if found != revision:
        known = "another" if _DIGEST.fullmatch(revision) else "no"
        raise ValueError(
            f"{folder}: params.yaml has {known} digest of this directory ({revision!r}); if it is the model that you "
            f"mean, write revision: {found}"
        )
    return folder


def _branch(model: str, revision: str) -> str:
    """Why a revision is refused, with its commit of now where the hub can be asked."""
    refusal = f"{model}: revision {revision!r} is no commit of 40 hexadecimal digits, and branches move"
    try:
        found = HfApi().model_info(model, revision=revision).sha
    except Exception as error:  # whatever the hub or the network raises; the refusal stands without an answer
        return (
            f"{refusal}. The hub could not be asked for it ({type(error).__name__}): see "
            f"https://huggingface.co/{model}/commits/main. If you mean a directory: there is none of that name"
        )
    return f"{refusal}; write down what it is now: `revision: {found}`"
