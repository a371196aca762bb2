"""The clients of scripts/bench: wrk, and some of a kind that wrk is not."""

import asyncio
import contextlib
import json
import random
import re
import signal
import socket
import subprocess
import time

from pools import cpu_of, settle
from service import PROJECT

READERS, READER_BYTES = 100, 20_000  # a second, each


def wrk(pool, case, connections, seconds, settled=True):
    """Requests, seconds, p50 and p99 in milliseconds; nanoseconds of CPU. Begins when the requests before are done."""
    if settled:
        settle(pool)
    targets = pool.service.folder / "targets"
    targets.write_text("\n".join(case.targets) + "\n")
    workers, before = pool.worker_pids(), cpu_of(pool)
    run = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", PROJECT / "tests/bench/rotate.lua",
                          f"http://127.0.0.1:{pool.port}", "--", targets, pool.service.env["TOKEN"]],
                         stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False)
    after = cpu_of(pool)
    if run.returncode or not run.stdout.strip():
        raise RuntimeError(f"wrk failed: {run.stdout}{run.stderr}")
    found = json.loads(run.stdout.splitlines()[-1])
    where = f"{pool.name}, {case.name}, {connections} connections"
    if found["not_2xx"] or found["socket_errors"]:
        raise RuntimeError(f"{where}: {found['not_2xx']} answers were no 2xx, and {found['socket_errors']} connections failed")
    if pool.worker_pids() != workers:
        raise RuntimeError(f"{where}: a worker has ended; see {pool.log}")
    return {**found, **{part: after[part] - before[part] for part in after}}


async def count_each(port, token, targets, connections, seconds):
    """How many answers each connection got: for a process of its own."""
    end = time.monotonic() + seconds

    async def one(number):
        writer, got = None, 0
        while time.monotonic() < end:
            if not writer:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
            target = targets[(number + got * connections) % len(targets)]
            writer.write(f"GET {target} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = re.search(r"content-length: (\d+)", head)
            # No JSON has a line break in front of a 0.
            await (reader.readexactly(int(length[1])) if length else reader.readuntil(b"0\r\n\r\n"))
            if " 200 " not in head[:20]:
                raise RuntimeError(head)
            got += 1
            if "connection: close" in head:  # nginx does so after a thousand
                writer.close()
                writer = None
        if writer:
            writer.close()
        return got

    return await asyncio.gather(*(one(number) for number in range(connections)))


def count_answers(*arguments):
    return asyncio.run(count_each(*arguments))


def ignore_interrupt():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.asynccontextmanager
async def asked(port, token, target, expected="200", source="127.0.0.1"):
    """A connection with little room for what arrives, from an address of this machine, on which a request was sent."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        client.bind((source, 0))
        await loop.sock_connect(client, ("127.0.0.1", port))
        head = f"GET {target} HTTP/1.0\r\nAuthorization: Bearer {token}\r\nX-Expected: {expected}\r\n\r\n"
        await loop.sock_sendall(client, head.encode())
        yield client


async def read_one(port, token, target, *where):
    async with asked(port, token, target, *where) as client:
        while await asyncio.get_running_loop().sock_recv(client, READER_BYTES // 5):
            await asyncio.sleep(0.2)


async def read_all(port, token, targets):
    await asyncio.gather(*(read_one(port, token, targets[number % len(targets)]) for number in range(READERS)))


async def disturb(port, token, targets, readers, leavers):
    """So many slow readers all the time, and so many requests a second whose clients leave at some time in the first 50 ms."""
    source = random.Random(1)

    async def read():
        while True:
            await read_one(port, token, source.choice(targets), "slow", "127.0.0.3")

    async def leave():
        while True:
            async with asked(port, token, source.choice(targets), "gone", "127.0.0.4"):
                await asyncio.sleep(source.random() * 0.05)
            await asyncio.sleep(1 / leavers)

    await asyncio.gather(leave(), *(read() for _ in range(readers)))


def in_process(clients, *arguments):
    """For a process of its own, until the clients are through or SIGTERM."""
    ignore_interrupt()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    asyncio.run(clients(*arguments))
