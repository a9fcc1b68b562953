"""Runs an embedded PostgreSQL as another user: ``postgres_child.py UID BIN FOLDER``; prints who made a table there.

The user may not be able to read our own files, so everything is imported before it becomes that user.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import psycopg

from caseproof.up import postgres
from caseproof.up.postgres import EmbeddedPostgres


def main() -> None:
    uid, binaries, folder = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    with suppress(psycopg.OperationalError):  # what it imports only when it connects
        psycopg.connect("postgresql://nobody:x@127.0.0.1:1/x")
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    os.umask(0o077)
    postgres._from_the_wheel = lambda: [binaries]
    with EmbeddedPostgres(folder, durable=False).running() as cluster:
        cluster.ensure_database("mine")
        with psycopg.connect(cluster.url("mine", "postgresql")) as connection:
            connection.execute("CREATE TABLE kept (id int)")
            row = connection.execute("SELECT current_user").fetchone()
        server = cluster.orphan()
        assert server is not None
        assert Path(f"/proc/{server.pid}").stat().st_uid == uid
    sys.stdout.write(f"{row}\n")


main()
