"""One operator story per file: the order of steps, nothing else."""
