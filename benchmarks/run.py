"""All figures, each a ratio against a baseline of the same run: a table, and ``bench.json`` for programs.

``make bench``; ``make bench ARGS=store`` runs one file of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

FIGURES = (
    "detection",
    "paces",
    "store",
    "containment",
    "inbox",
    "doors",
    "calls",
    "worker",
    "worklist",
    "paging",
    "systems",
)
_RESULT = "CASEPROOF_BENCH_RESULT"


def main() -> int:
    """Run each file in a process of its own, so that none measures another's memory. 1 where a target is missed."""
    console = Console()
    chosen = sys.argv[1:] or FIGURES
    rows = []
    for name in chosen:
        console.print(f"measuring: {name}", style="dim")
        rows += _measured(name)
    Path("bench.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    table = Table(title="Figures", title_justify="left", header_style="bold")
    for column in ("Figure", "Baseline", "Ratio", "Target", ""):
        table.add_column(column, overflow="fold")
    for row in rows:
        mark = "[green]ok[/]" if row["ok"] else "[bold red]missed[/]"
        table.add_row(row["figure"], row["baseline"], f"{row['ratio']:.2f}", str(row["target"]), mark)
    console.print(table)
    return 0 if all(row["ok"] for row in rows) else 1


def _measured(name: str) -> list[dict[str, object]]:
    """What ``benchmarks.NAME.figures()`` gives."""
    code = (
        f"import json, os; from benchmarks.{name} import figures; rows = figures(); "
        f"open(os.environ['{_RESULT}'], 'w').write(json.dumps(rows))"
    )
    result = Path(f".bench-{name}.json")
    try:
        subprocess.run(  # noqa: S603 - the command is ours
            [sys.executable, "-c", code], env={**os.environ, _RESULT: str(result)}, check=True
        )
        found: list[dict[str, object]] = json.loads(result.read_text())
        return found
    finally:
        result.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
