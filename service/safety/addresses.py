"""What the addresses of a request say: whether it was made on this machine, and under which name the service was asked.

`callers` decides by it who needs no key, `browsers` which pages may ask.
"""

import ipaddress

from starlette.datastructures import Headers
from starlette.types import Scope as RequestScope

# What proxies put in. A request that has one of these comes from wherever the proxy is asked from.
FORWARDING = ("x-forwarded-for", "x-real-ip", "forwarded")
# Who is given an IPv6 address is given all of its network.
IPV6_PREFIX = 64


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_from_this_machine(scope: RequestScope) -> bool:
    """Whether a request came in at a loopback address, and no proxy says that it handed it on."""
    server = scope.get("server")
    headers = Headers(scope=scope)
    return server is not None and is_loopback(server[0]) and not any(name in headers for name in FORWARDING)


def client_network(scope: RequestScope) -> str:
    """The address a request comes from; of IPv6 its network, since each client has millions of addresses."""
    client = scope.get("client")
    if client is None:
        return "nowhere"
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


def host_name(host_header: str) -> str:
    """The name in a header Host, without its port, brackets and final dot, in small letters."""
    host = host_header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def is_own_name(host_header: str, hosts: tuple[str, ...]) -> bool:
    """Whether a service can be asked under this name by nobody who only made a name point at it.

    A page of somebody else's reaches a service that its browser can reach by giving its own name the service's address
    (DNS rebinding). The browser then takes both for one site, but still sends that name. An address of digits, or
    localhost, is nobody's to give away.

    Args:
        host_header: As it came.
        hosts: Further names of the service.
    """
    name = host_name(host_header)
    if name == "localhost" or name in {host_name(each) for each in hosts}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
