"""Jobs of somebody who never heard of Caseproof: a plain Prefect flow, deployed from its file."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

from prefect import flow


@flow(name="nightly-export")
def nightly_export(switch: str) -> str:
    """Fails for as long as the file ``switch`` is not there; what it says then, a file beside that may tell."""
    if not Path(switch).exists():
        says = Path(f"{switch}.says")
        more = says.read_text(encoding="utf-8") if says.exists() else ""
        raise RuntimeError(f"the export was refused: 401 token_expired{more}")
    return "exported"


def deploy() -> None:
    """Deploy what standard input asks for: ``[{"name", "switch", "tags", "every"}]`` (``every`` in seconds or null)."""
    here = Path(__file__).resolve()
    source = flow.from_source(source=str(here.parent), entrypoint=f"{here.name}:nightly_export")
    for job in json.load(sys.stdin):
        source.deploy(
            name=job["name"],
            work_pool_name="customer-jobs",
            tags=job["tags"],
            parameters={"switch": job["switch"]},
            interval=timedelta(seconds=job["every"]) if job["every"] else None,
            print_next_steps=False,
        )


if __name__ == "__main__":
    deploy()
