"""Root as an ordinary user, for tests of what somebody may not read or write."""

import ctypes
import os

_VERSION_3 = 0x20080522
"""Of the kernel's interface: two words for each of the three sets of capabilities."""


def drop_privileges() -> None:
    """Give up what lets root pass by the permissions of files; this process stays root's and keeps what root owns.

    So it can still read the checkout and the interpreter that it runs on, wherever they are. Linux only.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if libc.capset(header, none) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
