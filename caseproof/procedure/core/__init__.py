"""What every step stands on: the services of a process, effects that happen once, words for people."""
