"""The MariaDB that `make test-mariadb` starts; the tests on it run where it is there."""

from __future__ import annotations

import os
from contextlib import closing

MARIADB = os.environ.get("CASEPROOF_TEST_MARIADB", "")
"""Its address, with a slash at the end; empty where there is none."""


def mariadb(name: str) -> str:
    """The address of a database in it, which is made."""
    import pymysql  # an extra, which only these tests need

    url = MARIADB.rstrip("/")
    host, _, port = url.rpartition("@")[2].partition(":")
    with closing(pymysql.connect(host=host, port=int(port), user="root")) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")
    return f"{url}/{name}"
