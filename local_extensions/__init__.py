"""What the template asks of Jinja: the running Python, and answers that stay the text they are."""

import json
import re
import shlex
import sys
from pathlib import Path

from cookiecutter.exceptions import ContextDecodingException
from jinja2 import Environment, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context

from .answers import SUPPORTED, fault_of, faults, is_text

HERE = Path(__file__).parents[1]
PROJECT = "<<cookiecutter.project>>"


def running_python() -> str:
    """The Python that runs cookiecutter, so that nothing need be downloaded; 3.13 where it is unsupported."""
    running = "{}.{}".format(*sys.version_info[:2])
    return running if running in SUPPORTED else "3.13"


def started_in() -> str:
    """The directory in which the user started cookiecutter; the hooks run elsewhere."""
    return str(Path.cwd())


def quoted(text: str) -> str:
    """`text` in double quotes, as TOML, YAML and JSON all read it.

    Jinja's own `tojson` writes an emoji as two surrogates, which TOML refuses, and leaves DEL as it is.
    """
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    unprintable = code < 0x20 or 0x7F <= code < 0xA0 or code in (0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)
    return f"\\u{code:04x}" if unprintable else character


def one_line(text: str) -> str:
    """`text` with a space for each line break: a package's summary is refused by its builder otherwise."""
    return re.sub(r"\r\n?|\n", " ", text)


def markdown(text: str) -> str:
    """`text` as a Markdown paragraph that shows it letter for letter, its line breaks included."""
    lines = re.split(r"\r\n?|\n", text.strip())
    return "\\\n".join(_unmarked(line.strip()) for line in lines)


def _unmarked(line: str) -> str:
    """A line without meaning to Markdown: its marks escaped, also those that mean something at its start."""
    line = re.sub(r"([\\`*_\[\]<>&|~$#])", r"\\\1", line)
    line = re.sub(r":(?=[\w+-]+:)", r"\\:", line)  # GitHub shows :tada: as a picture
    line = re.sub(r"^(\d+)([.)])", r"\1\\\2", line)
    return re.sub(r"^([-+=])", r"\\\1", line)


def own_strings() -> frozenset[str]:
    """The strings without a file name that cookiecutter renders: defaults, hooks, the project's directory."""
    defaults = json.loads((HERE / "cookiecutter.json").read_text(encoding="utf-8")).values()
    hooks = [hook.read_text(encoding="utf-8") for hook in (HERE / "hooks").glob("*.py")]
    choices = [choice for default in defaults if isinstance(default, list) for choice in default]
    return frozenset([PROJECT, *hooks, *choices, *(text for text in defaults if isinstance(text, str))])


class AnswerRefused(ContextDecodingException):
    """An answer cannot be used. Of the errors whose message cookiecutter prints without a traceback."""


@pass_context
def checked(context: Context, question: str = "") -> str:
    """Nothing, if the answer to a question can be used, or where none is named all of them. Raises AnswerRefused.

    Who is asked on a terminal is told after each question, who gives the answers at once of all that are wrong.
    """
    answers = context["cookiecutter"]
    asked = sys.stdin.isatty() and "--no-input" not in sys.argv
    fault = fault_of(question, answers) if question and asked else None
    lines = [fault] if fault else [] if question else list(faults(answers))
    if lines:
        raise AnswerRefused("\n".join([*lines, f"Again, with the other answers as they are: {command(answers)}"]))
    return ""


def command(answers: dict[str, str]) -> str:
    """What starts cookiecutter again with the answers that can be used."""
    program = Path(sys.argv[0])
    started = "cookiecutter" in (program.stem, program.parent.name)  # with .exe on Windows; by `python -m`
    given = [argument for argument in sys.argv[1:] if not re.match(r"\w+=", argument)] if started else [str(HERE)]
    wrong = {name for name in answers if fault_of(name, answers) or not is_text(str(answers[name]))}
    kept = [f"{name}={text}" for name, text in answers.items() if not name.startswith("_") and name not in wrong]
    return shlex.join(["cookiecutter", *given, *kept])


class Answers(Extension):
    """Keeps answers text: filters that write them into files, and no answer is ever taken for a template.

    Cookiecutter renders what comes from its command line or from the user's configuration as if it
    stood in `cookiecutter.json`: `description='<< … >>'` would run.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(running_python=running_python, started_in=started_in, checked=checked)
        environment.filters.update(quoted=quoted, one_line=one_line, markdown=markdown)
        self._own = own_strings()

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """`source` where the template wrote it; an expression that yields `source` where a user did.

        Files have a name, and their paths are rendered when there is a loader of files.
        """
        if name is not None or self.environment.loader is not None or source in self._own:
            return source
        start, end = self.environment.variable_start_string, self.environment.variable_end_string
        return f"{start} {source!a} {end}"
