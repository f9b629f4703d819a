"""Models and files from outside the study, pinned by content: what params.yaml names is what is read, or nothing is.

They are no dependencies that DVC could watch, so params.yaml carries their digest instead.
"""

import hashlib
import re
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Weights that cannot run code, and what describes them.
_PATTERNS = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]


def pinned_model(model: str, revision: str) -> Path:
    """Folder of a model: a local directory with this digest, or a hub id at this commit.

    Args:
        model: Path of a directory, or a hub id such as textdetox/xlmr-large-toxicity-classifier-v2.
        revision: Of a directory: its digest, 64 hexadecimal digits. Of a hub id: a commit, 40 of them.

    Raises:
        ValueError: The revision names no content, is another one, the model is not there, or it has no safetensors;
            the message says what to do.
    """
    folder = _local(Path(model), revision) if Path(model).is_dir() else _from_hub(model, revision)
    if not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"{model}: no *.safetensors in {folder}; weights in other formats can run code and are not read. Many hub "
            "models have a converted copy as a pull request, which has a commit of its own"
        )
    return folder


def pinned_file(path: Path, sha256: str) -> Path:
    """The file if it has this SHA-256, 64 hexadecimal digits; else ValueError with the digest that it has."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(f"{path}: its sha256 is {found}, params.yaml says {sha256!r}; write the one you mean to use")
    return path


def folder_digest(folder: Path) -> str:
    """Digest of the names and contents of a folder's own files, hidden ones and subfolders aside."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            with path.open("rb") as file:
                digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
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


def _from_hub(model: str, revision: str) -> Path:
    if not _COMMIT.fullmatch(revision):
        raise ValueError(
            f"{model}: revision {revision!r} is no commit; branches move. Write the 40 hexadecimal digits that "
            f"https://huggingface.co/{model}/commits/main shows (if you mean a directory: there is none of that name)"
        )
    try:
        # Offline, which is how stages run, this only looks into the hub's cache.
        offline = constants.is_offline_mode()
        return Path(snapshot_download(model, revision=revision, allow_patterns=_PATTERNS, local_files_only=offline))
    except GatedRepoError as error:
        raise ValueError(
            f"{model}: accept its terms at https://huggingface.co/{model}, then `hf auth login`"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise ValueError(
            f"{model}: commit {revision} is not in the hub's cache on this machine. Fetch it once: "
            f"`hf download {model} --revision {revision}`"
        ) from error
