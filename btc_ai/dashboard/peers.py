"""Which user is at the other end of a connection on this machine, as the kernel tells it."""

import ipaddress
import socket
import sys
from pathlib import Path

ESTABLISHED = "01"
"""In any other state the kernel may call a connection root's that is nobody's any more."""
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))

End = tuple[str, int]


def uid_of(client: End, server: End) -> int | None:
    """The user of the process that has connected from `client` to `server`; None: cannot be told.

    Such is a process elsewhere: on another machine, or in a network of its own (a container).
    """
    try:
        wanted = {(_hex(*client), _hex(*server)), (_mapped(*client), _mapped(*server))}
    except ValueError:
        return None
    for table in TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if (fields[1], fields[2]) in wanted and fields[3] == ESTABLISHED and fields[9] != "0":
                return int(fields[7])
    return None


def _hex(address: str, port: int) -> str:
    """An end as the table writes it: 32-bit words in the machine's own order."""
    packed = ipaddress.ip_address(address).packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    numbers = (int.from_bytes(word, sys.byteorder) for word in words)
    return f"{''.join(f'{number:08X}' for number in numbers)}:{port:04X}"


def _mapped(address: str, port: int) -> str:
    """An IPv4 address as a socket of IPv6 has it."""
    plain = ipaddress.ip_address(address)
    return _hex(f"::ffff:{address}" if plain.version == 4 else address, port)


def is_loopback(address: str) -> bool:
    """Whether an address (or `localhost`) is this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def family_of(address: str) -> socket.AddressFamily:
    """IPv6 where the address is one."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET
