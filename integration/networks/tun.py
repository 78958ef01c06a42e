"""A network namespace, and the tun device that is its way out: IP packets are read from it and written to it."""

import ctypes
import fcntl
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

# From linux/sched.h, linux/if_tun.h, linux/sockios.h and linux/if.h.
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
IFF_UP = 0x1
NETMASK = "255.255.255.0"

# TCP doubles its pauses, so that it may stay silent for as long again as a cut took. The tests wait for what comes then,
# not for that: from Linux 6.5 and 6.15 on it can be told to try each second, and then must be told to try more often before
# it gives up. Older ones only take longer.
EACH_SECOND = {"tcp_syn_linear_timeouts": "127", "tcp_rto_max_ms": "1000", "tcp_retries2": "255"}


def enter_new_namespace():
    """Moves this process into a network namespace of its own; returns a file descriptor of it, which keeps it alive."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    for name, value in EACH_SECOND.items():
        with suppress(OSError):
            Path("/proc/sys/net/ipv4", name).write_text(value)
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def open_tun(name, address):
    """A tun device in the current namespace, beside its loopback; what is sent to other addresses of its /24 is read here."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, interface(name, "H22x", IFF_TUN_WITHOUT_HEADER))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, NETMASK)):
            fcntl.ioctl(any_socket, request, interface(name, "H2x4s16x", socket.AF_INET, socket.inet_aton(value)))
        for each in (name, "lo"):
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, interface(each, "H22x", IFF_UP))
    return tun


def interface(name, form, *values):
    """A `struct ifreq`."""
    return struct.pack(f"=16s{form}", name.encode(), *values)
