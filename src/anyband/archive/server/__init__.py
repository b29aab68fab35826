"""The embedded archive as a provider: STAC APIs in every dialect, files by ranges, tokens, traps and faults."""

from anyband.archive.server.environment import archive_environment
from anyband.archive.server.serving import ArchiveServer

__all__ = ["ArchiveServer", "archive_environment"]
