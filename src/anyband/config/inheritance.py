"""Entries that start as a copy of another one."""

from typing import Any

from anyband.config.section import nearest
from anyband.runtime import UserError


def apply_inheritance(entries: dict[str, Any], section: str) -> dict[str, Any]:
    """Resolve `inherits:`: an entry starts as a copy of another one and changes keys.

    Raises:
        UserError: the parent does not exist, or entries inherit in a circle.
    """
    done: dict[str, Any] = {}

    def resolve(name: str, trail: tuple[str, ...]) -> Any:
        entry = entries[name]
        if name in done or not isinstance(entry, dict) or "inherits" not in entry:
            return done.setdefault(name, entry)
        parent = entry["inherits"]
        if parent in trail or parent == name:
            raise UserError(f"config: {section}.{name} inherits in a circle: {' > '.join((*trail, name, parent))}")
        if parent not in entries:
            raise UserError(f"config: {section}.{name}.inherits {parent!r} does not exist{nearest(parent, entries)}")
        base = resolve(parent, (*trail, name))
        return done.setdefault(name, merge(base, {k: v for k, v in entry.items() if k != "inherits"}))

    return {name: resolve(name, ()) for name in entries}


def merge(base: Any, change: Any) -> Any:
    """Dictionaries are merged key by key; anything else in `change` replaces `base`."""
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {key: merge(base.get(key), value) for key, value in change.items()}
    return change
