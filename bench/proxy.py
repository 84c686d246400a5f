"""A TCP proxy in front of a registry: it holds bytes back, cuts connections, and counts both.

    proxy.py --to PORT --rtt MILLISECONDS [--cuts NUMBER --seed TEXT]

Prints the port it listens on, and, when it is ended by SIGTERM, one line of JSON: connections, bytes each way, cuts.
Every byte arrives half a round trip later, and connecting takes a whole one. Bandwidth is not limited. With `--cuts N`
a connection is reset on average N times per MiB of bodies; where, follows from the seed and the connection's number.
"""

import argparse
import asyncio
import collections
import json
import random
import signal
import socket
import struct

HELD_AT_MOST = 32 << 20  # bytes of one direction of a connection
BODY = 2048  # a piece of more bytes than these holds a body; heads are shorter
RESET = struct.pack("ii", 1, 0)


class Proxy:
    """What all connections share."""

    def __init__(self, options):
        self.options = options
        self.half = options.rtt / 2000
        self.counts = {"connections": 0, "up": 0, "down": 0, "cuts": 0}

    def accept(self):
        return End(Link(self), "up")


class Link:
    """One connection: the client's end, the registry's end, and what is between them."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.loop = asyncio.get_running_loop()
        self.ends = {}
        proxy.counts["connections"] += 1
        self.open_from = self.loop.time() + 2 * proxy.half
        seed = f"{proxy.options.seed}/{proxy.options.to}/{proxy.counts['connections']}"
        self.random = random.Random(seed)
        self.uncut = self.distance()

    def distance(self):
        """Bytes of bodies until the next cut."""
        cuts = self.proxy.options.cuts
        return self.random.expovariate(cuts / (1 << 20)) if cuts else None

    async def connect(self, client):
        try:
            await self.loop.create_connection(lambda: End(self, "down"), "127.0.0.1", self.proxy.options.to)
            client.transport.resume_reading()
        except OSError:
            client.transport.abort()

    def is_cut_by(self, data):
        if self.uncut is None or len(data) < BODY:
            return False
        self.uncut -= len(data)
        return self.uncut < 0

    def cut(self):
        self.proxy.counts["cuts"] += 1
        for end in self.ends.values():
            end.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.transport.abort()


class End(asyncio.Protocol):
    """One end of a link: it reads what goes `way`, and the other end writes it."""

    def __init__(self, link, way):
        self.link, self.way = link, way
        self.held, self.bytes_held = collections.deque(), 0
        self.blocked = False  # whether the other end takes nothing
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        self.link.ends[self.way] = self
        if self.way == "up":
            transport.pause_reading()
            self.link.connecting = asyncio.ensure_future(self.link.connect(self))

    @property
    def other(self):
        return self.link.ends.get("down" if self.way == "up" else "up")

    def data_received(self, data):
        if self.link.is_cut_by(data):
            if self.other:
                self.other.transport.write(data[: len(data) // 2])
            self.link.cut()
            return
        self.link.proxy.counts[self.way] += len(data)
        self.later(data)

    def eof_received(self):
        self.later(None)
        return True

    def later(self, data):
        """Hands `data` to the other end when its time has come; `None` is the end."""
        self.held.append(data)
        self.bytes_held += len(data or b"")
        half = self.link.proxy.half
        if half == 0:
            self.deliver()
            return
        self.link.loop.call_at(max(self.link.loop.time(), self.link.open_from) + half, self.deliver)
        self.pace()

    def deliver(self):
        data = self.held.popleft()
        self.bytes_held -= len(data or b"")
        if self.other and not self.other.transport.is_closing():
            if data is None:
                self.other.transport.write_eof()
            else:
                self.other.transport.write(data)
        self.pace()

    def pace(self):
        if self.transport.is_closing():
            return
        if self.blocked or self.bytes_held > HELD_AT_MOST:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def pause_writing(self):
        self.other.blocked = True
        self.other.pace()

    def resume_writing(self):
        if self.other:
            self.other.blocked = False
            self.other.pace()

    def connection_lost(self, _):
        self.link.loop.call_later(self.link.proxy.half, self.hang_up)

    def hang_up(self):
        if self.other:
            self.other.transport.close()


async def serve(options):
    proxy = Proxy(options)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, ended.set)
    server = await loop.create_server(proxy.accept, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()
    print(json.dumps(proxy.counts), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--to", type=int, required=True, help="the registry's port on 127.0.0.1")
    parser.add_argument("--rtt", type=float, default=0, help="milliseconds")
    parser.add_argument("--cuts", type=float, default=0, help="resets per MiB of bodies")
    parser.add_argument("--seed", default="1")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
