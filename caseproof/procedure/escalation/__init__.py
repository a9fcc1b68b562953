"""Support cases: how they are opened, climb the ladder, wait and close (E1 to E6)."""
