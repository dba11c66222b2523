"""Inspections of uploads: one at a time, however many are asked for."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from driftrec.model.card import Corruption
from driftrec.web.limits import Limits
from driftrec.web.opening import explain
from driftrec.web.queue import QueueError
from driftrec.web.worker import inspect_upload


class Inspections:
    """Inspects uploads one after the other, so that memory and processors are used for one at a time.

    Arguments: `limits`; `corruption`, what the server's model undoes.
    """

    def __init__(self, limits: Limits, corruption: Corruption) -> None:
        self.limits = limits
        self.corruption: Corruption = corruption
        self._open: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Keeps a place for a client's upload.  Raises QueueError if there are too many, of all or of this client."""
        most = self.limits.inspections
        if self._open.total() >= most or self._open[client] >= most / 2:
            raise QueueError("too many pictures are waiting for their inspection: try again in a minute")
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1

    async def inspect(self, path: Path, name: str) -> dict[str, Any]:
        """The facts about an upload.  Raises HTTPException 422 with a sentence if there are none."""
        async with self._turn:
            try:
                return await run_in_threadpool(inspect_upload, path, self.limits, name, self.corruption)
            except Exception as error:  # libraries raise exceptions of every class
                raise HTTPException(422, explain(error, name, path.parent)) from error
