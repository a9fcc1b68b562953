"""What a forked child runs in these tests, in place of Prefect's engine: the code that its environment holds."""

import os

exec(os.environ["PROBE"])  # noqa: S102
