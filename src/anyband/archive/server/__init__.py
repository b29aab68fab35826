"""The archive as a STAC API and a file server: what the pipeline asks of a catalogue, and no more."""

from anyband.archive.server.http_server import ArchiveServer

__all__ = ["ArchiveServer"]
