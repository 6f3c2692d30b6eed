"""A reverse proxy as many shops have one: it changes the host and the path, and drops a header."""

import contextlib
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = '/butikk'
INTERNAL_HOST = 'odoo.internal'
# `Authorization` is what gateways use for themselves; the others belong to each connection.
NOT_PASSED_ON = {'authorization', 'connection', 'host'}


class _Handler(BaseHTTPRequestHandler):

    def do_GET(self):
        """Pass a request on, and the answer back."""
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        headers = {
            name: value for name, value in self.headers.items()
            if name.lower() not in NOT_PASSED_ON
        }
        with contextlib.closing(HTTPConnection('127.0.0.1', self.server.target_port)) as connection:
            connection.request(
                self.command, self.path.removeprefix(PREFIX), body,
                {**headers, 'Host': INTERNAL_HOST},
            )
            answer = connection.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        self.send_header('Content-Type', answer.headers['Content-Type'])
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, format, *arguments):
        """Say nothing."""


@contextlib.contextmanager
def running_proxy(target_port):
    """Run a proxy in front of an Odoo; yields the public address, below which the shop is."""
    server = ThreadingHTTPServer(('127.0.0.1', 0), _Handler)
    server.target_port = target_port
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05})
    thread.start()
    try:
        # Another name of this machine than the one that Odoo listens on.
        yield f'http://localhost:{server.server_port}{PREFIX}'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
