"""Every command begins and ends alike."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "mlops_template.cli"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_is_one_line(tmp_path: Path) -> None:
    """Also while the interpreter still loads what the command needs."""
    loading = tmp_path / "loading"
    (tmp_path / "typer.py").write_text(f"import time\nopen({str(loading)!r}, 'w').close()\ntime.sleep(30)\n")
    paths = {**os.environ, "PYTHONPATH": str(tmp_path)}
    begun = subprocess.Popen(COMMAND, env=paths, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not loading.exists():
        time.sleep(0.05)
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=20)
    assert (begun.returncode, said) == (130, "interrupted: the command can be repeated\n")


def test_the_version_is_told() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mlops-template 0.")
