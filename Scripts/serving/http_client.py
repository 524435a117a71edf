"""An HTTP client that costs little itself: requests are bytes made beforehand, and answers are hardly looked at."""
import asyncio
import re

LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.I)
BOUNDARY = b"part-of-the-load"


def get(path, *headers):
    """A request's bytes."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def post(path, body, *headers):
    """A request's bytes with a body."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def form(path, name, file, **fields):
    """The bytes of a request with a form: a file and texts."""
    parts = b""
    for field, value in fields.items():
        parts += b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (
            BOUNDARY, field.encode(), value.encode())
    parts += b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n%b\r\n--%b--\r\n' % (
        BOUNDARY, name.encode(), file, BOUNDARY)
    return post(path, parts, f"Content-Type: multipart/form-data; boundary={BOUNDARY.decode()}")


class Connection(asyncio.Protocol):
    """A connection that stays open for one request after another."""

    def __init__(self):
        self.received = bytearray()
        self.answer = None

    @classmethod
    async def open(cls, port):
        return (await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port))[1]

    async def ask(self, request):
        """Sends a request; returns the status and the body's bytes."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer

    def close(self):
        self.transport.close()

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        if self.answer and not self.answer.done():
            self.answer.set_exception(error or ConnectionError("the server closed the connection without an answer"))

    def data_received(self, data):
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.received[: end + 2])
        if CHUNKED.search(head):
            body, rest = self._chunks(end + 4)
        else:
            rest = end + 4 + int(LENGTH.search(head)[1])
            body = bytes(self.received[end + 4 : rest]) if len(self.received) >= rest else None
        if body is not None:
            del self.received[:rest]
            self.answer.set_result((int(head[9:12]), body))

    def _chunks(self, at):
        """The body in chunks, and where it ends; None until all of it is there."""
        body = b""
        while (line := self.received.find(b"\r\n", at)) >= 0:
            size = int(self.received[at:line].split(b";")[0], 16)
            at = line + 2 + size + 2
            if len(self.received) < at:
                break
            if size == 0:
                return body, at
            body += self.received[line + 2 : at - 2]
        return None, at
