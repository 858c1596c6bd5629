"""`python -m benchmarks.greedy_caller PORT TOKEN STREAMS`: takes all it can of a server on loopback, until stopped.

It keeps asking for so many streams, and sends wrong tokens as fast as they are answered.
"""

import asyncio
import contextlib
import itertools
import random
import resource
import sys

_GUESSERS = 4
_AGAIN = 5.0  # seconds until a stream that was refused is asked for again, as the server says


async def _stream(port: int, token: str) -> None:
    await asyncio.sleep(_AGAIN * random.random())
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_request("/events", token))
            while await reader.read(4096):
                pass
            writer.close()
        await asyncio.sleep(_AGAIN)


async def _guess(port: int) -> None:
    """Wrong tokens, one after the other on a connection as long as that stays open."""
    for number in itertools.count():
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for turn in itertools.count():
                writer.write(_request("/", f"aat_wrong{number}-{turn}"))
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))


def _request(path: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def _main(port: int, token: str, streams: int) -> None:
    wanted = (_stream(port, token) for _ in range(streams))
    guesses = (_guess(port) for _ in range(_GUESSERS))
    await asyncio.gather(*wanted, *guesses)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard) if hard > 0 else 4096, hard))
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
