#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A daemon that says what it is told: fake_xlbd.py SOCKET DIR

Every request is appended to DIR/log as "METHOD TARGET", its headers of interest and its body, a line each.
The answer is the file "METHOD,path,with,commas.N" of lowest N in DIR (status on the first line, then the
body); it is used up unless it is the last one. The interface xlbt<pid> of `xlbctl test` is xlbt0 here.
"""
import glob
import http.server
import os
import re
import socketserver
import sys

SOCKET, DIR = sys.argv[1:3]
HEADERS = ("Content-Type", "X-XLB-Origin", "Last-Event-ID")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "local"

    def log_message(self, *args):
        pass

    def answer(self):
        self.path = re.sub(r"xlbt\d+", "xlbt0", self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(f"{DIR}/log", "ab") as log:
            log.write(f"{self.command} {self.path}\n".encode())
            for name in HEADERS:
                if name in self.headers:
                    log.write(f"{name}: {self.headers[name]}\n".encode("latin-1"))
            if body:
                log.write(body if len(body) < 4096 else f"{len(body)} bytes".encode())
                log.write(b"\n")
        name = self.command + self.path.split("?")[0].replace("/", ",")
        files = sorted(glob.glob(f"{glob.escape(DIR)}/{glob.escape(name)}.*"))
        if files:
            with open(files[0], "rb") as file:
                status, text = file.read().split(b"\n", 1)
            if len(files) > 1:
                os.unlink(files[0])
        else:
            status, text = b"404", b'{"type": "not-found", "title": "no such path", "status": 404}'
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_DELETE = answer


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


Server(SOCKET, Handler).serve_forever()
