"""Backups: the store and the evidence in one folder, checked after writing and before anything is restored from it."""

from caseproof.backup.checking import Found, check_backup
from caseproof.backup.files import BackupError
from caseproof.backup.form import Manifest
from caseproof.backup.making import Home, make_backup
from caseproof.backup.restoring import restore_backup

__all__ = ["BackupError", "Found", "Home", "Manifest", "check_backup", "make_backup", "restore_backup"]
