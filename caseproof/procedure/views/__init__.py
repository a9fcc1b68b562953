"""What people look at: the case, the board, the check and the reports."""
