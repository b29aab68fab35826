"""The state of an unfinished training on disk, so that a killed run goes on and ends in the same numbers."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from anyband.fingerprint import step_fingerprint
from anyband.runtime import atomic_path

NAME = "last.ckpt"


def fingerprint(*values: Any) -> str:
    """Hash of settings (anything JSON can hold), of torch's version and of the source that training runs."""
    return hashlib.sha256(
        json.dumps([values, torch.__version__, step_fingerprint("train")], sort_keys=True).encode()
    ).hexdigest()


def save(directory: Path, identity: str, state: dict[str, Any]) -> None:
    """Write `state` atomically, under the fingerprint of the run that it belongs to."""
    with atomic_path(directory / NAME) as temporary:
        torch.save({"identity": identity, "state": state}, temporary)


def restore(directory: Path, identity: str) -> dict[str, Any] | None:
    """The saved state of this very run, or None: no file, an unreadable one, or one of other settings or source."""
    path = directory / NAME
    if not path.is_file():
        return None
    try:
        document = torch.load(path, weights_only=True)
    except Exception:  # whatever a damaged file raises, the answer is to start again
        return None
    if not isinstance(document, dict) or document.get("identity") != identity:
        return None
    state: dict[str, Any] = document["state"]
    return state


def discard(directory: Path) -> None:
    """Remove the saved state of a finished run."""
    (directory / NAME).unlink(missing_ok=True)
