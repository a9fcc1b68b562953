"""Evidence: captures of run pages, the vault that keeps files by their digest, the proof, and what is signed."""
