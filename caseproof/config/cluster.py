"""Where the embedded PostgreSQL of a home is: what its folder says of it, whether it runs or not."""

from __future__ import annotations

import socket
from pathlib import Path

ROLE = "caseproof"
"""The role that owns the cluster."""
LISTENS = "127.0.0.1"
_ASK_SECONDS = 1.0  # on this machine a port takes a connection, or refuses it, at once


class Cluster:
    """The cluster in ``folder``; making and starting it is `caseproof up`'s (``caseproof.up.postgres``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def data(self) -> Path:
        """The cluster's data, where it is to be started."""
        return self.folder / "data"

    @property
    def exists(self) -> bool:
        """Whether the cluster was made already."""
        return (self.folder / "port").exists()

    @property
    def port(self) -> int:
        """The port that it listens on; it stays the same over restarts."""
        return int((self.folder / "port").read_text())

    @property
    def is_stopped(self) -> bool:
        """Whether no server runs on it, for certain: it left no note of itself, or nothing listens on its port."""
        if not (self.data / "postmaster.pid").exists():
            return True
        try:
            socket.create_connection((LISTENS, self.port), _ASK_SECONDS).close()
        except ConnectionRefusedError:
            return True
        except OSError:  # too slow, or no more handles: that says nothing
            return False
        return False

    def url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        """The SQLAlchemy URL of one of its databases. It holds the password: never log it."""
        password = (self.folder / "password").read_text()
        return f"{driver}://{ROLE}:{password}@{LISTENS}:{self.port}/{database}"
