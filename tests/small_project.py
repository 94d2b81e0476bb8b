"""Work on the data of a generated project, in its own environment: `python small_project.py VERB …`.

One process that versions and pushes many times is quicker than the command, which loads DVC each time.
"""

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

from mlops_template.integrations import dvc
from mlops_template.integrations.git import git
from mlops_template.storage import compact, storage

FAKE_GIT = """\
#!/bin/sh
calls=$(cat "$CALLS")
echo $((calls + 1)) > "$CALLS"
if [ "$calls" -eq "$FATAL" ]; then
    kill -KILL 0
fi
exec {git} "$@"
"""


def save(name: str, size: int | str = 200) -> None:
    """A file of random content in `data/raw`, versioned and committed."""
    Path("data/raw").mkdir(parents=True, exist_ok=True)
    Path("data/raw", name).write_bytes(random.randbytes(int(size)))
    dvc.add(Path("data/raw"))
    git("add", "--all", "data")
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", name)


def rounds(name: str, number: str) -> None:
    """New data, and a push of it and of the branch that names it, many times."""
    git("switch", "--quiet", "--create", name)
    for turn in range(int(number)):
        save(f"{name}-{turn}")
        storage.push()
        git("push", "--quiet", "--no-verify", "origin", name)
    storage.push()


def compactions(number: str) -> None:
    """Compact the storage many times, of data that was pushed two days ago for a commit that is gone."""
    for turn in range(int(number)):
        save(f"left-over-{turn}")
        os.environ["GIT_COMMITTER_DATE"] = f"{int(time.time()) - 2 * 24 * 3600} +0000"
        storage.push()
        del os.environ["GIT_COMMITTER_DATE"]
        git("reset", "--quiet", "--hard", "HEAD^")
        compact.compact(compact.plan("history", 24))


def killed(folder: str) -> None:
    """Push new data again and again, killed with all its children at its first, second, … call of git.

    Ends with the first push that has fewer calls.
    """
    save("first")
    storage.push()  # and loads what the children would each load
    fake, calls = Path(folder) / "git", Path(folder) / "calls"
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    fake.write_text(FAKE_GIT.format(git=git("--exec-path") + "/git"))
    fake.chmod(0o755)
    for fatal in count():
        calls.write_text("0")
        ended = in_child(partial(save_and_push, CALLS=str(calls), FATAL=str(fatal), PATH=path))
        print(f"killed at call {fatal}: {ended}", flush=True)
        if ended != -signal.SIGKILL:
            sys.exit(ended)


def save_and_push(**environment: str) -> None:
    """New data, and a push under an environment of its own."""
    save("killed")
    os.environ.update(environment)
    storage.push()


def killed_in_transfer(number: str) -> None:
    """Push a lot, killed after ever longer times."""
    save("first of the large")
    storage.push()
    for turn in range(int(number)):
        in_child(partial(save, "large", 20_000_000))
        print(in_child(storage.push, after=0.1 + turn * 0.2), flush=True)


def in_child(function: Callable[[], object], after: float | None = None) -> int:
    """Run in a process group of its own, killed `after` seconds. Returns its exit code, or the signal's, negative."""
    child = os.fork()
    if child == 0:
        os.setsid()
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
