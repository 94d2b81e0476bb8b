"""Servers of a test: network namespaces on one bridge, from which the machine itself and its network are reached."""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from support import run


@dataclass(frozen=True)
class Network:
    """A bridge and the namespaces that are plugged into it."""

    bridge: str
    prefix: str
    """The first three numbers of its addresses: `.1` is this machine, `.11` and on are the servers."""
    namespaces: tuple[str, ...]

    @property
    def subnet(self) -> str:
        return f"{self.prefix}.0/24"

    @property
    def gateway(self) -> str:
        """The address of this machine."""
        return f"{self.prefix}.1"

    @property
    def containers(self) -> str:
        """The part that is left to containers of an engine on this machine."""
        return f"{self.prefix}.128/25"

    def address(self, server: int) -> str:
        return f"{self.prefix}.{11 + server}"


NUMBERS = count()
"""Of this process's networks, of which several may be there at once."""


@contextmanager
def network(servers: int = 0) -> Iterator[Network]:
    """A bridge with that many servers; all of it is gone afterwards."""
    name = f"t{os.getpid()}x{next(NUMBERS)}"  # an interface's name has at most 15 characters
    made = Network(f"{name}b", unused_prefix(), tuple(f"{name}n{i}" for i in range(servers)))
    with ExitStack() as undo:
        ip("link", "add", made.bridge, "type", "bridge")
        undo.callback(ip, "link", "delete", made.bridge)
        ip("address", "add", f"{made.gateway}/24", "dev", made.bridge)
        ip("link", "set", made.bridge, "up")
        for rule in (
            ("nat", "POSTROUTING", "--source", made.subnet, "!", "--destination", made.subnet, "--jump", "MASQUERADE"),
            ("filter", "FORWARD", "--source", made.subnet, "--jump", "ACCEPT"),
            ("filter", "FORWARD", "--destination", made.subnet, "--jump", "ACCEPT"),
        ):
            table, *rest = rule
            run("iptables", "--wait", "--table", table, "--insert", *rest, cwd=Path("/"))
            undo.callback(run, "iptables", "--wait", "--table", table, "--delete", *rest, cwd=Path("/"))
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="utf-8")
        for number, namespace in enumerate(made.namespaces):
            ip("netns", "add", namespace)
            undo.callback(ip, "netns", "delete", namespace)
            cable = f"{name}c{number}"
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            ip("link", "set", cable, "master", made.bridge, "up")
            inside(namespace, "address", "add", f"{made.address(number)}/24", "dev", "eth0")
            inside(namespace, "link", "set", "lo", "up")
            inside(namespace, "link", "set", "eth0", "up")
            inside(namespace, "route", "add", "default", "via", made.gateway)
        yield made


def unused_prefix() -> str:
    """The first three numbers of addresses that no interface of this machine has."""
    taken = run("ip", "-o", "-4", "address", cwd=Path("/"))
    prefixes = [f"10.213.{number}" for number in range(256)]
    return random.choice([prefix for prefix in prefixes if f" {prefix}." not in taken])


def ip(*arguments: str) -> None:
    run("ip", *arguments, cwd=Path("/"))


def inside(namespace: str, *arguments: str) -> None:
    ip("-netns", namespace, *arguments)


def entering(namespace: str | None) -> list[str]:
    """What a command begins with that is to run on a server: in its network, with this machine's files."""
    return ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []


def start(namespace: str | None, *command: str, **options: object) -> "subprocess.Popen[bytes]":
    """Start a command on a server; it is killed when the tests are."""
    killed_with_us = ["setpriv", "--pdeathsig", "KILL"]
    return subprocess.Popen([*killed_with_us, *entering(namespace), *command], **options)  # type: ignore[call-overload, no-any-return]
