"""Receives the body of a request: to disk while it arrives, within limits of size and time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from driftrec.web.limits import Limits
from driftrec.web.opening import is_disk_full

BLOCK = 1 << 20
"""Bytes that are collected in memory before they are written."""


async def receive(request: Request, path: Path, limits: Limits, name: str) -> None:
    """Writes the body of a request to a new file.

    Raises HTTPException: 400 for an empty or interrupted body, 408 for one that arrives too slowly, 413 for one that
    is too large (whatever its header says), 507 if the disk is full.
    """
    too_large = HTTPException(413, f"{name} is larger than {limits.bytes / 1e6:.3g} MB: send a smaller file")
    if int(request.headers.get("content-length", 0)) > limits.bytes:
        raise too_large
    received, block, parts = 0, bytearray(), request.stream()
    clock = asyncio.get_running_loop().time
    end = clock() + limits.upload
    try:
        with path.open("xb") as file:
            while part := await _next(parts, min(clock() + limits.silence, end)):
                received += len(part)
                if received > limits.bytes:
                    raise too_large
                block += part
                if len(block) >= BLOCK:
                    await run_in_threadpool(file.write, bytes(block))
                    block.clear()
            await run_in_threadpool(file.write, bytes(block))
    except ClientDisconnect as error:
        raise HTTPException(400, f"the upload of {name} was interrupted: send it again") from error
    except TimeoutError as error:
        raise HTTPException(408, f"{name} arrived too slowly: send it again over a faster connection") from error
    except OSError as error:
        if is_disk_full(error):
            raise HTTPException(507, f"the server's disk is full and cannot hold {name}: try again later") from error
        raise
    if not received:
        raise HTTPException(400, f"{name} is empty: send the bytes of a picture")


async def _next(parts: AsyncIterator[bytes], end: float) -> bytes:
    """The next part of an upload.  Raises TimeoutError if it is not there at `end`, by the event loop's clock.

    `asyncio.wait_for` within another time limit would not do: in Python 3.11 a part that arrives just when the outer
    limit is reached lifts it.
    """
    async with asyncio.timeout_at(end):
        return await anext(parts)
