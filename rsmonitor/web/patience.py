"""A server that waits for slow clients, but not for ever, and ends when told to."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rsmonitor.web.doors import line_of
from rsmonitor.web.security import house_headers

HEAD_SECONDS: Final = 15.0
"""A head that has not come by then is not waited for."""

SEND_SECONDS: Final = 60.0
"""A client that takes nothing for so long is dropped."""

_MOST_CONNECTIONS: Final = 800


class PatientServer(uvicorn.Server):
    """A server that says when it is ready, and ends without a signal of its own.

    Parameters
    ----------
    config : uvicorn.Config
        How it serves.
    ready : callable
        Called once requests are answered.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """
        Begin to listen.

        Parameters
        ----------
        sockets : list of socket, optional
            Where.
        """
        await super().startup(sockets=sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """
        Let SIGTERM and SIGINT end the service, which is a good end.

        Yields
        ------
        None
            While they do.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, self.handle_exit) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """
        Stop after what is being answered; a second signal stops at once.

        Parameters
        ----------
        sig : int
            The signal.
        frame : frame, optional
            Not looked at.
        """
        del sig, frame
        self.force_exit = self.should_exit
        self.should_exit = True


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for the head of a request for so long, and no longer.

    Also an answer to what is no HTTP has the headers of the house.
    """

    most_by_address = 250
    """Connections of one address."""

    _head: asyncio.TimerHandle | None = None
    _full: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as above it
        """
        Begin to wait for the first head.

        Parameters
        ----------
        transport : Transport
            The connection.
        """
        super().connection_made(transport)
        self.access_log = False  # it would write whole addresses; ours does not
        if self._is_one_too_many():
            transport.abort()
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """
        Take what came; stop the wait when a head is whole.

        Parameters
        ----------
        data : bytes
            What came.
        """
        if self._head is None and self._is_between():
            self._wait_for_head()
        super().data_received(data)
        if not self._is_between() and not self._is_lingering():
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for what has begun to come, but not for ever."""
        super().on_response_complete()
        self._stop_waiting()
        begun, _ = self.conn.trailing_data
        if begun or self._is_lingering():
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Stop waiting.

        Parameters
        ----------
        exc : Exception, optional
            Why it ended.
        """
        self._stop_waiting()
        self._is_taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give up on a client that takes nothing of what it asked for."""
        super().pause_writing()
        self._is_taken()
        self._full = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client takes it."""
        super().resume_writing()
        self._is_taken()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is idle, also one that does not take its rest."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """
        Answer what is no HTTP.

        Parameters
        ----------
        msg : str
            What is wrong.
        """
        body = b'{"type":"about:blank","title":"Bad Request","status":400}'
        head = h11.Response(
            status_code=400,
            headers=[
                (b"content-type", b"application/problem+json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                *house_headers(lasting=self.scheme == "https"),
            ],
            reason=b"Bad Request",
        )
        del msg
        self._stop_waiting()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _is_one_too_many(self) -> bool:
        """Say whether there are too many connections, in all or of this address."""
        if len(self.connections) > _MOST_CONNECTIONS:
            return True
        ours = line_of(self.client[0]) if self.client else ""
        clients = [getattr(each, "client", None) for each in self.connections]
        there = [
            each for each in clients if each is not None and line_of(each[0]) == ours
        ]
        return len(there) > self.most_by_address

    def _is_between(self) -> bool:
        """Say whether no request is being read or answered."""
        return self.conn.their_state is h11.IDLE

    def _is_lingering(self) -> bool:
        """Say whether a request was answered before all of it came."""
        cycle: Any = self.cycle  # None before the first request
        return self.conn.their_state is h11.SEND_BODY and (
            cycle is not None and cycle.response_complete
        )

    def _wait_for_head(self) -> None:
        """Close the connection if what is waited for does not come in time."""
        self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _is_taken(self) -> None:
        """Forget that nothing was taken."""
        if self._full is not None:
            self._full.cancel()
            self._full = None

    def _stop_waiting(self) -> None:
        """Wait no longer."""
        if self._head is not None:
            self._head.cancel()
            self._head = None


class ProxiedProtocol(PatientProtocol):
    """The same behind a proxy, from which all connections come."""

    most_by_address = _MOST_CONNECTIONS
