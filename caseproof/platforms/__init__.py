"""What runs jobs: what Caseproof asks of a job platform, and the client of each."""
