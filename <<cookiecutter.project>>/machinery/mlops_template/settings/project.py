"""What the project says of itself in `pyproject.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Project:
    """Name (also that of the command), description, first author, and the repository as `owner/name`."""

    name: str
    description: str
    author: str
    email: str
    repository: str

    @property
    def slug(self) -> str:
        """What the project is called where a name may have but letters, digits and hyphens, and few of them."""
        return self.name.lower().replace(".", "-").replace("_", "-")[:40]


def load_project(path: Path = Path("pyproject.toml")) -> Project:
    """Read the `[project]` table."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    author = content["authors"][0]
    repository = content.get("urls", {}).get("Repository", content["name"]).removeprefix("https://github.com/")
    return Project(content["name"], content["description"], author["name"], author["email"], repository)
