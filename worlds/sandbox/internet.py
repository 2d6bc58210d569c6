"""Another machine, as a program's hosts are: names, and a web server that sends one elsewhere.

Names are answered by what stands in ANSWERS; the last answer is given again and again. The web
server tells which names were asked for.
"""
import http.server
import ipaddress
import json
import socket
import struct
import sys
import threading
import urllib.parse

# The resolver's; the web server is at all addresses.
ADDRESS, ANSWERS = sys.argv[1], json.loads(sys.argv[2])
A, AAAA = 1, 28
asked = []


def read_name(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += query[at] + 1
    return ".".join(labels), at + 1


def answer(query):
    name, end = read_name(query)
    kind = struct.unpack(">H", query[end:end + 2])[0]
    asked.append(name)
    records = []
    if kind == A or kind == AAAA:
        # Both kinds are asked for at once: they are of one look.
        given = ANSWERS.get(name, [[]])
        look = sum(one == name for one in asked) - 1
        for text in given[min(look // 2, len(given) - 1)]:
            address = ipaddress.ip_address(text)
            if (address.version == 4) == (kind == A):
                records.append(address.packed)
    head = query[:2] + struct.pack(">HHHHH", 0x8180 if name in ANSWERS else 0x8183, 1, len(records), 0, 0)
    body = b"".join(struct.pack(">HHHIH", 0xC00C, kind, 1, 0, len(one)) + one for one in records)
    return head + query[12:end + 4] + body


def serve_names():
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind((ADDRESS, 53))
    print("names", flush=True)
    while True:
        query, sender = resolver.recvfrom(512)
        resolver.sendto(answer(query), sender)


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        body = json.dumps(sorted(set(asked))) if url.path == "/asked" else "hello"
        self.send_response(302 if url.path == "/redirect" else 200)
        if url.path == "/redirect":
            self.send_header("Location", urllib.parse.unquote(url.query))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


threading.Thread(target=serve_names, daemon=True).start()
server = Server(("::", 80), Web)
print("web", flush=True)
server.serve_forever()
