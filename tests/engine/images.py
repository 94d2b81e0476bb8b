"""The images that a Dockerfile or a stack names, made on this machine: no registry of images is asked.

`python:…` is Debian as `debootstrap` unpacks it, from the mirror that this machine's apt uses, with the Python that
runs these tests where the official image has it; `haproxy:…` is this machine's HAProxy and the libraries it needs.
"""

import fcntl
import re
import shutil
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

from support import missing, needs, run

from .engines import ADVICE, Engine

SUITE = "trixie"
PACKAGES = (  # what Python's own modules need, as the official image brings it
    "ca-certificates netbase tzdata libssl3t64 libffi8 libsqlite3-0 zlib1g libbz2-1.0 liblzma5 libreadline8t64"
    " libncursesw6 libuuid1 libexpat1"
)
AUTHORITIES = Path("etc/ssl/certs/ca-certificates.crt")
"""The certificate authorities that this machine trusts are those of its network: a build has to trust them, too."""


def archives(folder: Path) -> Path:
    """A folder with `python.tar` and `haproxy.tar`; the first of several processes that ask makes them."""
    with (folder / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, make in (("python", python), ("haproxy", haproxy)):
            if not (folder / f"{name}.tar").exists():
                make(folder)
    return folder


def base_of(project: Path) -> str:
    """The image that a project's Dockerfile starts from."""
    found = re.search(r"^ARG BASE=(\S+)$", (project / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return found[1]


def python(folder: Path) -> Path:
    """Write the archive of a Python base image to a folder."""
    root = folder / "python"
    bootstrap = [needs("debootstrap", ADVICE), "--variant=minbase", f"--include={','.join(PACKAGES.split())}"]
    run(*bootstrap, SUITE, root, *mirror(), cwd=folder)
    for unneeded in "var/cache/apt var/lib/apt/lists var/log usr/share/doc usr/share/locale usr/share/man".split():
        shutil.rmtree(root / unneeded)
    shutil.copy2(Path("/") / AUTHORITIES, root / AUTHORITIES)
    copy_python(root)
    return archive(root)


def mirror() -> list[str]:
    """Where this machine's apt gets Debian from; nothing where it is no Debian, for debootstrap knows one itself."""
    uris = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", cwd=Path("/")).split()
    return [uri for uri in uris if uri.endswith("/debian/")][:1]


def copy_python(root: Path) -> None:
    """Put the Python that runs this below /usr/local, with a pip of its own and without what is installed here."""
    if "deb_system" in sysconfig.get_scheme_names():
        missing(
            "a Python with ensurepip", "Debian's own has none: `uv run --managed-python pytest` brings one that has"
        )
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    local = root / "usr" / "local"
    skipped = shutil.ignore_patterns(
        "site-packages", "dist-packages", "__pycache__", "test", "config-*", "EXTERNALLY-*"
    )
    stdlib = local / "lib" / name
    shutil.copytree(sysconfig.get_path("stdlib"), stdlib, symlinks=True, ignore=skipped)
    (stdlib / "site-packages").mkdir()
    shutil.copy2(Path(getattr(sys, "_base_executable", sys.executable)).resolve(), local / "bin" / name)
    for link in ("python3", "python"):
        (local / "bin" / link).symlink_to(name)
    library = Path(str(sysconfig.get_config_var("LIBDIR")), str(sysconfig.get_config_var("LDLIBRARY")))
    if library.suffix != ".a":
        for file in library.parent.glob(f"{library.stem}.so*"):
            shutil.copy2(file, local / "lib" / file.name, follow_symlinks=False)
        run("chroot", root, "ldconfig", cwd=Path("/"))
    run("chroot", root, "/usr/local/bin/python3", "-m", "ensurepip", cwd=Path("/"))


def haproxy(folder: Path) -> Path:
    """Write the archive of an HAProxy image to a folder."""
    root = folder / "haproxy"
    program = Path(needs("haproxy", "install haproxy"))
    libraries = re.findall(r"(/\S+) \(0x", run("ldd", program, cwd=folder))
    for file in (str(program), *libraries):
        target = root / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(file).resolve(), target)
    return archive(root)


def archive(root: Path) -> Path:
    """Pack a root file system, which is gone afterwards."""
    packed = root.with_suffix(".tar")
    unfinished = packed.with_suffix(".part")
    run("tar", "--create", "--numeric-owner", "--file", unfinished, "--directory", root, ".", cwd=root.parent)
    shutil.rmtree(root)
    return unfinished.rename(packed)


def load_python(engine: Engine, packed: Path, name: str) -> None:
    """Give an engine the Python base image under a name."""
    path = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    trust = f"ENV PIP_CERT=/{AUTHORITIES}"  # an older pip asks no authorities but its own
    engine.docker("import", "--change", path, "--change", "ENV LANG=C.UTF-8", "--change", trust, packed, name)


def load_haproxy(engine: Engine, packed: Path, name: str) -> None:
    """Give an engine the HAProxy image under a name; it starts and stops as the official one does."""
    plain = f"{name}-plain"
    engine.docker("import", "--change", "ENV PATH=/usr/local/sbin:/usr/sbin", packed, plain)
    lines = [f"FROM {plain}", "STOPSIGNAL SIGUSR1", "USER 99:99"]
    lines += ['CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]']
    built(engine, lines, name)


def built(engine: Engine, lines: list[str], name: str) -> None:
    """Build an image that needs no files."""
    with TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
        engine.docker("build", "--quiet", "--tag", name, folder, DOCKER_BUILDKIT="0")
