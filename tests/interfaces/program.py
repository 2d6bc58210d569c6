#!/usr/bin/env python3
"""
Tells what it was given and answers by its path: the same program for each interface, as the
variable INTERFACE says. As a server it speaks HTTP over bare sockets, so that no library stands
between a test and the octets.
"""

import base64
import hashlib
import json
import os
import socket
import sys
import threading
import time


class Request:
    """What came, by whichever way."""

    def __init__(self, method, target, fields, length, coding, source):
        self.method, self.target, self.fields = method, target, fields
        self.length, self.coding, self.source = length, coding, source

    def lines(self):
        """The body's lines as they come."""
        if self.coding is None and self.length is not None:
            text = self.source.read(int(self.length))
            yield from text.splitlines(keepends=True)
        elif self.coding is not None:
            while (size := int(self.source.readline().split(b";")[0], 16)) > 0:
                yield self.source.read(size)
                self.source.readline()
            while self.source.readline().strip():
                pass
        elif INTERFACE != "http":
            yield from iter(self.source.readline, b"")

    def told(self):
        return json.dumps({
            "method": self.method,
            "target": self.target,
            "length": self.length,
            "coding": self.coding,
            "fields": self.fields,
            "body": b"".join(self.lines()).decode("latin-1"),
        }).encode()


class Answer:
    """What goes back. A server's body without a length goes in chunks."""

    def __init__(self, out):
        self.out, self.is_chunked = out, False

    def head(self, status, *fields):
        names = [field.split(":")[0].lower() for field in fields]
        fields = list(fields)
        if INTERFACE == "http" and not {"content-length", "upgrade"} & set(names):
            if status[0] != "1" and status[:3] not in ("204", "304"):
                self.is_chunked = True
                fields.append("Transfer-Encoding: chunked")
        first = f"Status: {status}" if INTERFACE == "cgi" else f"HTTP/1.1 {status}"
        self.write_all("".join(f"{line}\r\n" for line in [first, *fields, ""]).encode())

    def part(self, data):
        if self.is_chunked:
            data = b"%x\r\n%s\r\n" % (len(data), data)
        self.write_all(data)

    def end(self, *trailers):
        if self.is_chunked:
            self.write_all("".join(f"{line}\r\n" for line in ["0", *trailers, ""]).encode())

    def whole(self, status, body, *fields, is_head=False):
        self.head(status, *fields, f"Content-Length: {len(body)}")
        self.write_all(b"" if is_head else body)

    def write_all(self, data):
        self.out.write(data)
        self.out.flush()


TEXT = "Content-Type: text/plain"
EVENTS = "Content-Type: text/event-stream"
OPEN = "Access-Control-Allow-Origin: *"


def answer(request, back):
    """Whether the connection goes on."""
    path, is_head = request.target.split("?")[0], request.method == "HEAD"
    if path == "/tell":
        # An answer to HEAD can tell it in a field only.
        told = request.told()
        back.whole("200 OK", told, TEXT, f"X-Told: {told.decode()}", is_head=is_head)
        return True
    if path not in ("/back", "/early", "/socket"):
        for _ in request.lines():
            pass
    if path == "/streamed":
        back.head("200 OK", TEXT)
        for part in [b"one\n", b"two\n", b"three\n"]:
            if not is_head:
                back.part(part)
        if not is_head:
            time.sleep(0.2)  # What has ended before its head goes out has a length.
            back.end()
    elif path == "/events":
        back.head("200 OK", EVENTS, OPEN)
        if not is_head:
            for part in [b"id: 1\ndata: one\n\n", b"id: 2\ndata: two\n\n"]:
                back.part(part)
            back.end()
    elif path == "/endless":
        back.head("200 OK", EVENTS, OPEN)
        back.part(b"data: one\n\n")
        while True:
            time.sleep(0.05)
            back.part(b": still here\n\n")
    elif path == "/back":
        back.head("200 OK", TEXT)
        for line in request.lines():
            back.part(b"heard " + line)
        back.end()
    elif path == "/long":
        back.whole("200 OK", b"a" * 1_000_000, TEXT)
    elif path == "/early":
        back.whole("413 Content Too Large", b"too much\n", TEXT)
        return False
    elif path == "/range":
        ranged(request, back)
    elif path == "/known":
        is_known = request.fields.get("if-none-match") == ['"a"']
        if is_known:
            back.head("304 Not Modified", 'ETag: "a"')
        else:
            back.whole("200 OK", b"whole\n", TEXT, 'ETag: "a"', is_head=is_head)
    elif path == "/empty":
        back.head("204 No Content")
    elif path == "/trailers":
        back.head("200 OK", TEXT, "Trailer: x-sum")
        back.part(b"whole\n")
        back.end("X-Sum: 6", "Set-Cookie: a=b")
    elif path == "/hints":
        back.head("103 Early Hints", "Link: </style.css>; rel=preload")
        back.whole("200 OK", b"whole\n", TEXT)
    elif path == "/moved":
        back.whole("302 Found", b"", "Location: /tell?moved", TEXT)
    elif path == "/socket" and "sec-websocket-key" in request.fields:
        converse(request, back)
        return False
    else:
        back.whole("200 OK", b"whole\n", TEXT, is_head=is_head)
    return True


def ranged(request, back):
    content = b"0123456789"
    asked = request.fields.get("range", [""])[0].removeprefix("bytes=")
    if not asked:
        back.whole("200 OK", content, TEXT, "Accept-Ranges: bytes")
        return
    first, last = map(int, asked.split("-"))
    part = content[first:last + 1]
    about = f"Content-Range: bytes {first}-{last}/{len(content)}"
    back.whole("206 Partial Content", part, TEXT, about)


def converse(request, back):
    """Echoes the text frames of a WebSocket, of at most 125 bytes, until one that closes it."""
    key = request.fields["sec-websocket-key"][0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    proof = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    back.head("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
              f"Sec-WebSocket-Accept: {proof}")
    while len(begin := request.source.read(2)) == 2:
        size, mask = begin[1] & 0x7f, request.source.read(4)
        text = bytes(b ^ mask[i % 4] for i, b in enumerate(request.source.read(size)))
        back.write_all(bytes([begin[0], size]) + text)
        if begin[0] & 0x0f == 8:
            return


def serve(connection):
    """One connection, request by request."""
    source, out = connection.makefile("rb"), connection.makefile("wb")
    try:
        while first := source.readline():
            method, target, _ = first.decode("latin-1").split()
            fields = {}
            while line := source.readline().strip():
                name, value = line.decode("latin-1").split(":", 1)
                fields.setdefault(name.lower(), []).append(value.strip())
            length, coding = (fields.get(name, [None])[0]
                              for name in ("content-length", "transfer-encoding"))
            request = Request(method, target, fields, length, coding, source)
            if not answer(request, Answer(out)):
                break
        connection.shutdown(socket.SHUT_RDWR)
    except (OSError, ValueError):
        pass  # The other side has gone.
    finally:
        connection.close()


def listen():
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=[connection], daemon=True).start()


def fields_of_variables():
    return {name[5:].lower().replace("_", "-"): [value]
            for name, value in os.environ.items() if name.startswith("HTTP_")}


def fields_of_arguments():
    given, fields = sys.argv, {}
    for flag, line in zip(given, given[1:]):
        if flag == "-H":
            name, _, value = line.partition(":")
            fields.setdefault(name.rstrip(";").lower(), []).append(value.strip())
    return fields


def run_once(fields):
    query = os.environ.get("QUERY_STRING")
    target = os.environ["PATH_INFO"] + (f"?{query}" if query else "")
    length = os.environ.get("CONTENT_LENGTH") or None
    source = sys.stdin.buffer
    answer(Request(os.environ["REQUEST_METHOD"], target, fields, length, None, source),
           Answer(sys.stdout.buffer))


INTERFACE = os.environ["INTERFACE"]
if INTERFACE == "http":
    listen()
elif INTERFACE == "cgi":
    run_once(fields_of_variables())
else:
    run_once(fields_of_arguments())
