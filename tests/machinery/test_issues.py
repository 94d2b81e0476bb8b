"""Alerts where the repository has no issues: what closes one goes on, what opens one says how to enable them."""

from typing import Any

import pytest
from mlops_template.errors import ProjectError
from mlops_template.integrations import gh, issues


class Disabled:
    """A repository whose issues are disabled, or that answers otherwise."""

    def __init__(self, status: int) -> None:
        self.status = status

    def get(self, path: str) -> Any:
        raise gh.GitHubError("Issues has been disabled in this repository. (HTTP 410)", self.status)


def test_there_is_nothing_to_close_where_issues_are_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gh, "at_origin", lambda: Disabled(410))
    assert issues.close_alert("retrain", "It went well.").startswith("issues are disabled in this repository")
    with pytest.raises(ProjectError, match="^issues are disabled in this repository: `gh repo edit --enable-issues`$"):
        issues.open_alert("retrain", "It failed", [])


def test_another_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gh, "at_origin", lambda: Disabled(403))
    for call in (lambda: issues.close_alert("retrain", "why"), lambda: issues.open_alert("retrain", "title", [])):
        with pytest.raises(ProjectError, match="^GitHub: Issues"):
            call()
