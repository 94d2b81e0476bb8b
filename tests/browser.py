"""A page as Chromium sees it: its measures on a phone, its colours, its complaints, and what it asks of the network."""

import html
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import needs, run

ADVICE = "install Chromium (Debian: `apt-get install chromium`)"

OPTIONS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr
    --virtual-time-budget=10000
    """.split()
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""Chromium itself would like to talk to its makers: no name leads out of this machine, and 127.0.0.1 is none."""

BY_ITSELF = "not an origin"
"""Who asked, in Chromium's log of the network, where it was not a page."""

AXE = "axe-core@4.14.1"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

MEASURE = Path(__file__).with_name("measure.js")


@dataclass(frozen=True)
class Look:
    """What was seen: `page` has the measures, the others what went wrong."""

    page: dict[str, Any]
    console: list[str]
    asked: list[str]


def look(content: str, width: int, dark: bool = False) -> Look:
    """The measures of a page in a window of that width."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        frame = f'<iframe id="frame" style="width:{width}px;height:900px;border:0"></iframe>'
        source = folder / "frame.html"
        script = MEASURE.read_text(encoding="utf-8").replace("CONTENT", json.dumps(content).replace("<", "\\u003c"))
        text = f'<!doctype html><meta charset="utf-8"><pre id="result"></pre>{frame}<script>{script}</script>'
        source.write_text(text, encoding="utf-8")
        said = browse(
            folder, "--dump-dom", f"--blink-settings=preferredColorScheme={0 if dark else 1}", source.as_uri()
        )
        (result,) = re.findall(r'<pre id="result">(.*?)</pre>', said, re.DOTALL)
        return Look(json.loads(html.unescape(result)), re.findall(r"CONSOLE.*", said), asked(folder))


def photograph(content: str, file: Path, width: int, height: int, dark: bool = False) -> None:
    """A picture of the upper end of a page, to be looked at."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "page.html").write_text(content, encoding="utf-8")
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        browse(
            folder, f"--screenshot={file}", f"--window-size={width},{height}", scheme, (folder / "page.html").as_uri()
        )


def complaints(content: str, dark: bool = False) -> list[str]:
    """What axe-core finds that is serious or critical, by WCAG 2.2 at level AA: the rule, and the first element."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run(needs("npm", "install npm (Debian: `apt-get install npm`)"), "install", "--silent", AXE, cwd=folder)
        script = (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
        bare = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", content)  # which lets no script in
        assert bare != content
        asking = "axe.run(document, OPTIONS).then((found) => { document.body.textContent = JSON.stringify(found) })"
        asking = asking.replace("OPTIONS", json.dumps({"runOnly": WCAG, "resultTypes": ["violations"]}))
        page = folder / "page.html"
        added = f"<script>{script}</script><script>{asking}</script></body>"
        page.write_text(bare.replace("</body>", added), encoding="utf-8")
        said = browse(folder, "--dump-dom", f"--blink-settings=preferredColorScheme={0 if dark else 1}", page.as_uri())
    found = json.loads(html.unescape(said[said.index("{", said.index("<body")) : said.rindex("}") + 1]))
    assert found["passes"], "axe looked at nothing"
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def browse(folder: Path, *options: str) -> str:
    """Run Chromium and return what it says on either stream."""
    profile = [f"--user-data-dir={folder / 'profile'}", f"--log-net-log={folder / 'net.json'}"]
    return run(needs("chromium", ADVICE), *OPTIONS, NOWHERE, *profile, *options, cwd=folder)


def asked(folder: Path) -> list[str]:
    """What pages, and not Chromium itself, asked of the network."""
    text = (folder / "net.json").read_text(encoding="utf-8").rstrip().rstrip(",")
    try:
        log = json.loads(text)
    except json.JSONDecodeError:
        log = json.loads(text + "]}")  # Chromium ended before it could close the list
    start = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    begun = [event.get("params") or {} for event in log["events"] if event["type"] == start]
    return [found["url"] for found in begun if "url" in found and found.get("initiator") != BY_ITSELF]
