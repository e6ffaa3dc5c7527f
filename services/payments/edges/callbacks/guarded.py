"""Connections that a name cannot turn inwards.

An administrator registers `https://callbacks.ministry.example`; whoever holds that name's DNS decides which address it
means, today. So the name is looked up here, every address it has is judged, and the connection goes to the very address
that was judged (a second look-up might give another). Addresses written as addresses are what the administrator wrote.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import httpx

Resolver = Callable[[str, int], Awaitable[list[str]]]
LOOK_UP_SECONDS: Final = 5.0
_LOCAL_NAMES: Final = frozenset({"localhost"})


class AddressRefused(httpx.ConnectError):
    """The name means an address in this machine or on its own link."""


def is_inward(address: str) -> bool:
    """Whether an address lies in this machine or on its own link, or is none to connect to. Private networks are not:
    ministries have them."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    found = mapped or found
    return found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class GuardedTransport(httpx.AsyncBaseTransport):
    """Looks a name up, judges it, and connects to what was judged; certificate and Host stay the name's."""

    def __init__(self, inner: httpx.AsyncBaseTransport, resolver: Resolver = resolve) -> None:
        self._inner, self._resolver = inner, resolver

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to an address that was looked at.

        Raises:
            AddressRefused: one of the name's addresses is not to be called.
            httpx.ConnectError: the name has none.
        """
        host = request.url.host
        if host in _LOCAL_NAMES or _is_address(host):
            return await self._inner.handle_async_request(request)
        try:
            addresses = await asyncio.wait_for(self._resolver(host, request.url.port or 443), LOOK_UP_SECONDS)
        except OSError:  # a time-out is one
            addresses = []
        if not addresses:
            raise httpx.ConnectError("the name has no address", request=request)
        if any(is_inward(address) for address in addresses):
            raise AddressRefused("the name means an address in this machine", request=request)
        request.extensions = {**request.extensions, "sni_hostname": host}
        for address in addresses[:-1]:
            request.url = request.url.copy_with(host=address)
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):  # the name may have others
                return await self._inner.handle_async_request(request)
        request.url = request.url.copy_with(host=addresses[-1])
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
