"""Free TCP ports on the loopback interface."""

import random
import socket
import time
from collections.abc import Iterable

HOST = "127.0.0.1"
_CHOICE = range(20_000, 32_000)
"""Below the range from which systems number outgoing connections (32768 up on Linux): a client that keeps trying to
reach a killed server could otherwise be given, and so occupy, the very port that the server needs to come back."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT counts as free, a listening one does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """`count` different free ports. Raises OSError when the machine has none left."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_CHOICE, len(_CHOICE)):
        if len(found) == count:
            return found
        if is_free(port):
            found.append(port)
    raise OSError(f"fewer than {count} free ports between {_CHOICE.start} and {_CHOICE.stop}")


def wait_free(port: int, deadline_s: float = 5.0) -> bool:
    """Wait until a port is free: a killed server's connections may take a moment to vanish."""
    end = time.monotonic() + deadline_s
    while not is_free(port):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def prefer(wanted: Iterable[int]) -> list[int]:
    """The wanted ports, each replaced by a free one where something listens on it already."""
    wanted = list(wanted)
    taken = [port for port in wanted if not is_free(port)]
    replacements = iter(free_ports(len(taken)))
    return [next(replacements) if port in taken else port for port in wanted]


def accepts(port: int, timeout_s: float = 0.5) -> bool:
    """Whether something accepts TCP connections on this loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s):
            return True
    except OSError:
        return False
