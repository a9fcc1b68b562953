"""`caseproof audit`: whether anything was changed past Caseproof."""

from __future__ import annotations

from caseproof.cli.backups import progress_told, store_at_hand
from caseproof.cli.common import AsJson, out, print_json, safe, table_of
from caseproof.config.settings import read_settings
from caseproof.domain.errors import CaseproofError
from caseproof.evidence.audit import audit as look_through
from caseproof.evidence.vault import Vault


def audit(as_json: AsJson = False) -> None:
    """Look through the whole store, each evidence file and each closed case's proof for what was changed by hand."""
    settings = read_settings()
    home = settings.home_folder
    with store_at_hand(settings) as store, progress_told() as told:
        found = look_through(store, Vault(home / "evidence"), home / "proofs", told)
    counts = {name: getattr(found, name) for name in ("cases", "closed", "proofs", "files")}
    if as_json:
        faults = [{"what": f.what, "found": f.found, "next_action": f.next_action} for f in found.faults]
        print_json({"ok": not faults, **counts, "faults": faults})
    else:
        if found.faults:
            table = table_of("What is not as it was written down", "What", "Found")
            for one in found.faults:
                table.add_row(safe(one.what), safe(one.found))
            out.print(table)
        out.print(
            f"Looked at {found.cases} cases, their events and the guards, {found.files} files, and the proofs of "
            f"{found.closed} closed cases, of which {found.proofs} hold.",
            highlight=False,
            soft_wrap=True,
        )
    if found.faults:
        first, more = found.faults[0], len(found.faults) - 1
        and_more = f" And {more} more." if more else ""
        raise CaseproofError(f"{first.what}: {first.found}{and_more}", first.next_action)
