"""The daily check: data frames in, data frames out."""
