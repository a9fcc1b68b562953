"""`python -m caseproof.cli`: the command, for programs that know their own Python."""

from caseproof.cli import main

main()
