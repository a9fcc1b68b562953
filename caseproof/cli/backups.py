"""`caseproof backup` and `caseproof restore`: the store and the evidence, out of a home and into an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn

from caseproof.backup import BackupError, Found, Home, Manifest, make_backup, restore_backup
from caseproof.backup.files import Progress
from caseproof.cli.common import AsJson, err, out, print_json, progress_bar, safe, table_of
from caseproof.cli.keys import new_links, sure
from caseproof.config import kept_key
from caseproof.config.clock import utc_now
from caseproof.config.policy import BUILT_IN, policy_file
from caseproof.config.settings import Settings, read_settings
from caseproof.evidence.answer_keys import AnswerKeys
from caseproof.evidence.vault import Vault
from caseproof.store import Store, locks
from caseproof.up.plan import STORE, refuse_other_store
from caseproof.up.postgres import EmbeddedPostgres

_SHOWN = 20
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new or empty.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Save the home's keys, too: who has them answers as any retailer.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --with-keys: do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save the store and the evidence to a folder, beside whatever runs, and check what was written."""
    settings = read_settings()
    if with_keys:
        sure("Whoever reads this backup can answer in the name of every retailer. Save the keys in it?", yes=yes)
    policy = policy_file(settings)
    with store_at_hand(settings) as store, progress_told() as told:
        store.migrate()
        _keys(settings, store).take_out_of_the_store()
        home = _home(settings, store, None if policy == BUILT_IN else policy)
        manifest, found = make_backup(home, folder, now=utc_now(), with_keys=with_keys, progress=told)
    _show(f"Backup in {folder}", manifest, found, as_json)
    if manifest.problems:
        raise BackupError(
            f"The backup was written, but {_things(manifest)} missing or changed.",
            "See the list; an older backup may have them. It can be restored as it is with --anyway.",
        )


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `caseproof backup` wrote.")],
    anyway: Annotated[bool, typer.Option("--anyway", help="Restore a backup that lists problems, as it is.")] = False,
    postgres: Annotated[
        bool, typer.Option("--postgres", help="Into an embedded PostgreSQL, as `caseproof up --postgres` uses it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a whole backup, then put it into this home and store, which must be empty."""
    settings = read_settings()
    own = None if settings.policy is not None else settings.home_folder / "policy.yaml"
    if postgres:
        refuse_other_store(settings)
        EmbeddedPostgres(settings.postgres.folder).make()
    with store_at_hand(settings) as store, progress_told() as told:
        home = _home(settings, store, own)
        manifest, found = restore_backup(home, folder, is_up=lambda: _is_up(settings), anyway=anyway, progress=told)
        waiting = _keys(settings, store).after_restore()
    _show(f"Restored from {folder}", manifest, found, as_json)
    if waiting is not None:
        err.print(f"This backup has no keys, so every link that is out is void. {new_links(waiting)}", highlight=False)
    if not as_json:
        out.print(
            "Next: `caseproof up`. When it is up, in another terminal: `caseproof setup FILE.yaml` for what only "
            "Prefect keeps (blocks and their secrets), `caseproof doctor`, and `caseproof case wake REF` for each open "
            "case.",
            highlight=False,
            soft_wrap=True,
        )


@contextmanager
def store_at_hand(settings: Settings) -> Iterator[Store]:
    """The store, with its database running for as long as the block runs."""
    with ExitStack() as stack:
        if settings.database_url is None and settings.postgres.exists:
            stack.enter_context(EmbeddedPostgres(settings.postgres.folder).running()).ensure_database(STORE)
        store = Store(settings.database)
        stack.callback(store.close)
        yield store


def _is_up(settings: Settings) -> str | None:
    """What runs at this home, if something does."""
    lock = settings.up_lock
    return f"`caseproof up` runs for this home (process {locks.holder(lock)})" if locks.is_held(lock) else None


def _home(settings: Settings, store: Store, policy: Path | None) -> Home:
    home = settings.home_folder
    return Home(store, Vault(home / "evidence"), home / "proofs", policy, home / kept_key.FOLDER)


def _keys(settings: Settings, store: Store) -> AnswerKeys:
    return AnswerKeys(settings.home_folder / kept_key.FOLDER, store, utc_now)


# -- showing ----------------------------------------------------------------------------------------------------------


@contextmanager
def progress_told() -> Iterator[Progress]:
    """A bar on the terminal that is gone afterwards; nothing where nobody watches."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with progress_bar(*columns) as shown:
        bars: dict[str, TaskID] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = shown.add_task(safe(what))
            shown.update(bars[what], completed=done, total=total or None)

        yield told


def _show(title: str, manifest: Manifest, found: Found, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(manifest, found))
        return
    table = table_of(title, "What", "Found")
    for what, text in (
        ("made", f"{manifest.made_at:%Y-%m-%d %H:%M} UTC, by Caseproof {manifest.caseproof}"),
        ("cases", f"{found.cases} ({found.closed} closed), folded from {found.events} events"),
        ("proofs", f"{found.proofs} of {found.closed} closed cases: checked, hold"),
        ("evidence", f"{found.evidence} files, each with its digest"),
        ("all rows", f"{sum(found.rows.values())} in {len(found.rows)} tables"),
        ("all files", f"{found.files}, {_size(found.size)}"),
        ("problems", str(len(manifest.problems)) if manifest.problems else "none"),
    ):
        table.add_row(what, safe(text))
    out.print(table)
    for name, text in list(manifest.problems.items())[:_SHOWN]:
        out.print(f"[bold red]NO[/] {safe(name)}: {safe(text)}", soft_wrap=True, highlight=False)
    if len(manifest.problems) > _SHOWN:
        out.print(f"… and {len(manifest.problems) - _SHOWN} more, all in backup.json")


def _as_json(manifest: Manifest, found: Found) -> dict[str, Any]:
    return {
        "made_at": manifest.made_at.isoformat(),
        "caseproof": manifest.caseproof,
        "revision": manifest.revision,
        "cases": found.cases,
        "closed": found.closed,
        "events": found.events,
        "proofs": found.proofs,
        "evidence": found.evidence,
        "rows": found.rows,
        "files": found.files,
        "bytes": found.size,
        "problems": manifest.problems,
    }


def _things(manifest: Manifest) -> str:
    count = len(manifest.problems)
    return "one thing in this home is" if count == 1 else f"{count} things in this home are"


def _size(count: float) -> str:
    """A size for people."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.0f} {_UNITS[-1]}"
