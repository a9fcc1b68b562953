"""The pages of the made-up job service: its jobs, a job with its last runs and what a person may do with it, a run."""

from __future__ import annotations

import html
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from sandbox.farm_http import Asked, Reply
from sandbox.pages import facts, link, missing, page, table

if TYPE_CHECKING:
    from sandbox.job_service import JobService, SimulatedJob, SimulatedRun

WORDS = {"queued": "Queued", "running": "Running", "done": "Done", "broken": "Broken", "called off": "Called off"}
"""What its states are called on a page."""
_LAST = 20
_BROKEN = 'The marketplace answered 401: {"error":"token_expired"}. (Somebody broke this job by hand.)'


def job_page(service: JobService, asked: Asked) -> Reply:
    """Whatever is asked for below ``/ui``; each page needs the session's cookie, where the service has one."""
    if service.page_session and f"session={service.page_session}" not in asked.headers.get("cookie", ""):
        return page("Log in", "<form>Password <input type=password></form>")
    where, _, name = asked.path.removeprefix("/ui").strip("/").partition("/")
    run, job = service.runs.get(name), service.jobs.get(name)
    if where == "runs" and run is not None:
        return _run(run)
    if where == "jobs" and job is not None:
        return _did(service, job, asked) if asked.method == "POST" else _job(service, job)
    return missing() if where else _jobs(service)


def _jobs(service: JobService) -> Reply:
    rows = [(_to(job.id), html.escape(job.shop or ""), _state(service, job)) for job in service.jobs.values()]
    return page("Jobs", table(("Job", "Shop", "It is"), rows))


def _job(service: JobService, job: SimulatedJob) -> Reply:
    its = [run for run_id in reversed(service.order) if (run := service.runs.get(run_id)) and run.job == job.id]
    rows = [
        (link(f"/ui/runs/{run.id}", run.id), WORDS[run.state], _at(run.queued), html.escape(run.text)) for run in its
    ]
    buttons = "".join(
        f'<button name="does" value="{does}">{text}</button> '
        for does, text in (("run", "Run it now"), ("break", "Break it"), ("mend", "Mend it"))
    )
    under_way = any(run.state in ("queued", "running") for run in its)
    return page(
        job.title or job.id,
        '<meta http-equiv="refresh" content="1">' if under_way else "",
        f"<p>{html.escape(job.id)} is {_state(service, job)}. {link('/ui', 'All jobs')}</p>",
        f'<form method="post">{buttons}</form>',
        table(("Run", "State", "Queued", "It says"), rows[:_LAST]),
    )


def _did(service: JobService, job: SimulatedJob, asked: Asked) -> Reply:
    """A person pressed a button; their browser goes back to the job's page."""
    match dict(asked.body).get("does") if isinstance(asked.body, list) else None:
        case "run":
            service.queue(job.id)
        case "break":
            job.outcome, job.text = "broken", _BROKEN
        case "mend":
            job.outcome, job.text = "done", ""
        case _:
            return missing()
    return Reply(b"", 303, {"Location": f"/ui/jobs/{quote(job.id)}"})


def _run(run: SimulatedRun) -> Reply:
    rows = {
        "Run": run.id, "Job": run.job, "State": WORDS[run.state], "Queued": _at(run.queued),
        "Started": _at(run.started), "Ended": _at(run.ended), "It says": run.text,
    }  # fmt: skip
    return page(f"Run {run.id}", facts(rows), f"<p>{_to(run.job)}</p>")


def _to(job_id: str) -> str:
    return link(f"/ui/jobs/{quote(job_id)}", job_id)


def _state(service: JobService, job: SimulatedJob) -> str:
    return "active" if service.active(job) else "stopped"


def _at(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC" if when else ""
