"""The case and its rules: pure, standard library only, time passed in."""
