"""Look whether a scheduled workflow still runs: GitHub switches schedules off, late or not at all, without a word."""

from datetime import UTC, datetime

import pandas as pd

from ..errors import ProjectError
from ..integrations import gh
from ..integrations.issues import close_alert, note, open_alert


def watch(workflow: str, within: str) -> str:
    """Open an issue when no run on `main` ended well within a stretch of time, else close it.

    A workflow that never ran counts from its own making. Returns a line that says what was found.
    """
    try:
        longest = pd.Timedelta(within)
    except ValueError:
        raise ProjectError(f"--within {within!r} is no stretch of time such as '14 days'") from None
    with gh.required() as repository:
        made = repository.get(f"/actions/workflows/{workflow}")
        runs = repository.get(f"/actions/workflows/{workflow}/runs?branch=main&status=success&per_page=1")
    ended = [run["created_at"] for run in runs["workflow_runs"]]
    last = datetime.fromisoformat(ended[0] if ended else made["created_at"])
    ago = datetime.now(UTC) - last
    what = "last ended well" if ended else "has not ended well since it was made"
    history = f"{workflow} {what} {last:%Y-%m-%d %H:%M} UTC, {within} are allowed"
    key = f"watch-{workflow}"
    if made["state"] == "active" and ago <= longest:
        return f"{history}; {close_alert(key, f'{workflow} ended well again.')}"
    state = "is active" if made["state"] == "active" else f"is {made['state'].replace('_', ' ')}"
    text = (
        f"{history}. The workflow {state}.\n\n"
        f"- Look at [its runs]({repository.address}/actions/workflows/{workflow}).\n"
        "- GitHub switches schedules off after 60 days without activity: "
        f"`gh workflow enable {workflow}` switches it on again, `gh workflow run {workflow}` starts it now."
    )
    return f"{history}; {open_alert(key, f'{workflow} has not ended well for too long', [note('watch', text)])}"
