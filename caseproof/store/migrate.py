"""Which revision a database has, and the way to the newest one."""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table

from caseproof.store.errors import StoreError
from caseproof.store.tables import REVISION, VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config


class SchemaState(Enum):
    """How a database stands to this version of the program."""

    EMPTY = auto()
    FOREIGN = auto()
    OLDER = auto()
    CURRENT = auto()
    NEWER = auto()


def standing(connection: Connection) -> SchemaState:
    """Look at the database without changing it."""
    tables = inspect(connection)
    if not tables.has_table(VERSION_TABLE):
        # Tables of others may share a server's database with ours, but never an SQLite file.
        is_foreign = connection.dialect.name == "sqlite" and tables.get_table_names()
        return SchemaState.FOREIGN if is_foreign else SchemaState.EMPTY
    found = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    if found == REVISION:
        return SchemaState.CURRENT
    if found is None:
        return SchemaState.EMPTY
    return SchemaState.OLDER if found in _known() else SchemaState.NEWER


def refuse_unusable(found: SchemaState, name: str) -> None:
    """Raise StoreError for a database that no migration of ours may touch."""
    if found is SchemaState.FOREIGN:
        raise StoreError(
            f"{name} is a database of another program, not a store of Caseproof.",
            "Point CASEPROOF_DATABASE_URL at Caseproof's own file, or at one that does not exist yet.",
        )
    if found is SchemaState.NEWER:
        raise StoreError(
            f"{name} was written by a newer version of Caseproof.",
            "Install that version, or restore a backup.",
        )


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations in the connection's open transaction, which locks out another migration."""
    from alembic import command
    from alembic.util.exc import CommandError

    try:
        command.upgrade(_config(connection), revision)
    except CommandError as error:
        raise StoreError(f"The store cannot be migrated: {error}.", "Install the newest version.") from error


def downgrade(connection: Connection, revision: str) -> None:
    """Undo migrations in the connection's open transaction; what they made is lost. For developers."""
    from alembic import command

    command.downgrade(_config(connection), revision)


def _config(connection: Connection | None = None) -> Config:
    from alembic.config import Config  # a tenth of a second, which opening a current store does not need

    config = Config(attributes={"connection": connection})
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _known() -> set[str]:
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
