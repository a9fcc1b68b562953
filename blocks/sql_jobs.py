"""A table of jobs in a database as a Prefect block."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field, SecretStr, field_validator

from blocks.base import PlatformBlock, docs, logo
from caseproof.config.declarations import DeclarationError
from caseproof.platforms.abilities import PlatformAbilities
from caseproof.platforms.sql_jobs import SqlJobsClient
from caseproof.platforms.sql_jobs_abilities import ABILITIES
from caseproof.platforms.sql_jobs_declaration import read_sql_declaration


class SqlJobTable(PlatformBlock):
    """The jobs of an in-house system, read and switched in its own database. The block's name is the platform's name.

    A declaration says which query tells the jobs and which the runs, and which statement stops one job.

    Example:
        Load a saved platform and read a job:
        ```python
        from blocks.sql_jobs import SqlJobTable

        platform = SqlJobTable.load("BLOCK_NAME")
        print(platform.client().job("stock-feed"))
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold the password

    _block_type_name = "Caseproof SQL Job Table"
    _block_type_slug = "caseproof-sql-job-table"
    _documentation_url = docs("platform-sql")
    _logo_url = logo("platform")

    SYSTEM: ClassVar[str] = "SQL job table"
    ABILITIES: ClassVar[PlatformAbilities] = ABILITIES

    database_url: SecretStr = Field(
        min_length=1,
        title="Database address",
        description="`postgresql://user:password@host/database`, `mysql://...` for MariaDB, or `sqlite:////path/file`. "
        "Give it a user of its own, with the rights that the page about it lists.",
    )
    declaration: str = Field(
        min_length=1,
        title="Declaration",
        description="The queries, columns, states and statements, as YAML; the page about it shows a whole one.",
        examples=["jobs:\n  query: SELECT code, enabled FROM feeds\n  columns: {id: code, active: enabled}\n"],
    )
    timeout_seconds: float = Field(
        default=20,
        gt=0,
        le=600,
        title="Time-out",
        description="How long the database may take for an answer or for a lock, in seconds.",
    )

    @field_validator("declaration")
    @classmethod
    def _can_be_read(cls, written: str) -> str:
        try:
            read_sql_declaration(written)
        except DeclarationError as wrong:
            raise ValueError(f"{wrong.problem} {wrong.next_action}") from None
        return written

    def client(self) -> SqlJobsClient:
        """A client of this platform. Raises BadInput for an address or a declaration that cannot be used."""
        declared = read_sql_declaration(self.declaration)
        return SqlJobsClient(self.database_url.get_secret_value().strip(), declared, seconds=self.timeout_seconds)
