"""Which proxy leads to a server: HTTPS_PROXY and NO_PROXY, as Vault's own clients read them."""

from __future__ import annotations

import ipaddress
import os
import sys
from typing import Optional, Union
from urllib.parse import SplitResult, urlsplit

_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def proxy_for(host: str, port: int) -> Optional[SplitResult]:
    """The proxy for an https server, None for a direct way. This machine never needs one.

    Raises ValueError for a proxy that is no URL.
    """
    if is_this_machine(host):
        return None
    url = _variable("https_proxy") or _of_the_system(host)
    if not url or _is_exempt(host, port, _variable("no_proxy")):
        return None
    return urlsplit(url if "//" in url else f"//{url}")


def is_this_machine(host: str) -> bool:
    """Whether host is loopback. Of names only localhost is: DNS could answer anything."""
    address = parse_address(host)
    if address is None:
        return host.lower() == "localhost"
    return address.is_loopback


def parse_address(host: str) -> Optional[_Address]:
    """The IP address that host is, None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _variable(name: str) -> str:
    """A variable by its name in small letters or, when that is not set, in capitals."""
    return os.environ.get(name) or os.environ.get(name.upper()) or ""


def _of_the_system(host: str) -> str:
    """The proxy in the settings of macOS or Windows. Linux has none but the variables."""
    if sys.platform not in ("darwin", "win32"):
        return ""
    import urllib.request  # takes long to load

    if urllib.request.proxy_bypass(host):
        return ""
    return urllib.request.getproxies().get("https", "")


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether one of the entries of NO_PROXY names the server."""
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    return any(_names(entry, host.lower(), port) for entry in entries if entry)


def _names(entry: str, host: str, port: int) -> bool:
    """Whether an entry names host: *, 10.0.0.0/8, 10.1.2.3, x:8200, or a name and all below it."""
    if entry == "*":
        return True
    address = parse_address(host)
    if "/" in entry:
        return address is not None and _is_within(address, entry)
    name, only_port = _split_port(entry)
    if only_port and only_port != str(port):
        return False
    if address is not None:
        return parse_address(name) == address
    name = name.lstrip(".")
    return host == name or host.endswith(f".{name}")


def _is_within(address: _Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> "tuple[str, str]":
    """Name and port, which may be '', of x, x:8200, 2001:db8::1 or [2001:db8::1]:8200."""
    if parse_address(entry):
        return entry, ""
    name, colon, port = entry.rpartition(":")
    if not colon or entry.endswith("]"):
        name, port = entry, ""
    return name.strip("[]"), port
