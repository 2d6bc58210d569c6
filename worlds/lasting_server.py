#!/usr/bin/env python3
"""
A server whose answers last as many seconds as their query says, in two pieces, and that echoes what
comes through a WebSocket's connection. Told to be "stubborn" it does not end when it is asked to.
"""

import os
import signal
import socket
import sys
import threading
import time

# Of the key that tests send (worlds/played_tunnel.ts).
ACCEPT = "ICX+Yqv66kxgM0FcWaLWlFLwTAI="


def answer(target, is_upgrade, connection):
    if is_upgrade:
        connection.sendall((
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n").encode())
        while data := connection.recv(4096):
            connection.sendall(data)
        return False
    seconds = target.partition("?")[2]
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n")
    if seconds:
        time.sleep(float(seconds))
    connection.sendall(b"3\r\nlo\n\r\n0\r\n\r\n")
    return True


def serve(connection):
    try:
        with connection, connection.makefile("rb") as source:
            while first := source.readline():
                is_upgrade = False
                while line := source.readline().strip():
                    is_upgrade = is_upgrade or line.lower() == b"upgrade: websocket"
                if not answer(first.decode().split()[1], is_upgrade, connection):
                    return
    except OSError:
        pass  # The other side has gone.


if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
