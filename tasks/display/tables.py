"""Tables and pages that stand in Prefect for good: one of each key, kept current where it is.

They belong to no flow run: the run of a pass is cleared away, and a pass that is made in place has none. As there is
one version, every address of it holds, and a thousand passes leave no thousand artifacts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from blocks.base import require_prefect
from tasks.display.best_effort import as_far_as_prefect_takes_it
from tasks.prefect_run import find_shown


def keep_table(key: str, rows: Sequence[Mapping[str, Any]], above: str) -> bool:
    """Show these rows under this key, with ``above`` (markdown) over them; gives whether Prefect took it: a warning
    says where it did not."""
    return _keep(key, "table", json.dumps(rows), above)


def keep_text(key: str, text: str, above: str) -> bool:
    """The same with a page of markdown."""
    return _keep(key, "markdown", text, above)


def _keep(key: str, kind: str, data: str, above: str) -> bool:
    taken = False
    with as_far_as_prefect_takes_it(f"{kind} {key}"):
        require_prefect()  # before a client is made, which would start a server of its own
        with get_client(sync_client=True) as client:
            shown = find_shown(key)
            if shown is None or shown.flow_run_id is not None:  # none yet, or those of runs, as they were made before
                client.create_artifact(ArtifactCreate(key=key, type=kind, data=data, description=above))
            else:
                client.update_artifact(shown.id, ArtifactUpdate(data=data, description=above))
        taken = True
    return taken
