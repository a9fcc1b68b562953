"""What came with the product: its version, and the project's files that are no code.

The files lie beside the packages in a clone, inside the package where it was installed.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """The file or folder of this name: ``prefect.yaml``, ``docs``. It may be missing in a broken installation."""
    beside = _PACKAGE.parent / name
    # `name` beside an installed package would be another's: a clone has its pyproject.toml there.
    return beside if (_PACKAGE.parent / "pyproject.toml").exists() else _PACKAGE / name


def this_version() -> str:
    """The version of Caseproof that is at work."""
    try:
        return version("caseproof")
    except PackageNotFoundError:  # run from its source tree, not installed
        return "unknown"
