"""An HTTP server on this machine whose answers a test prepares."""

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CUT = object()  # takes the request, and closes the connection without an answer


class Server:
    """Answers requests one after the other with prepared answers, the last one for ever.

    An answer is a status, headers and a body, or a function of the request that returns them; a
    body is bytes, or an iterable of them that is sent piece by piece. Requests for an access token
    are answered with a new one, unless another answer was prepared.
    """

    def __init__(self):
        self.answers = []
        self.token_answer = self._make_token
        self.requests = []
        self.token_requests = []
        self.lock = threading.Lock()
        self._server = _QuietServer(('127.0.0.1', 0), self._make_handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=[0.01], daemon=True
        )
        self._thread.start()
        self.url = f'http://127.0.0.1:{self._server.server_port}'

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request):
        """Return the answer to a request, which is remembered."""
        with self.lock:
            if request['path'] == '/accesstoken/get':
                self.token_requests.append(request)
                request['number'] = len(self.token_requests)
                answer = self.token_answer
            else:
                self.requests.append(request)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request) if callable(answer) else answer

    def _make_token(self, request):
        return 200, {}, json.dumps({
            'access_token': f'token-{request["number"]}', 'expires_in': '3600',
        }).encode()

    def _make_handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                length = int(self.headers.get('Content-Length') or 0)
                answer = server.answer({
                    'method': self.command,
                    'path': self.path,
                    'port': self.client_address[1],
                    'headers': {name.lower(): value for name, value in self.headers.items()},
                    'body': self.rfile.read(length),
                })
                if answer is CUT:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, headers, body = answer
                self.send_response(status)
                length = {'Content-Length': str(len(body))} if isinstance(body, bytes) else {}
                for name, value in {**length, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in [body] if isinstance(body, bytes) else body:
                    self.wfile.write(piece)

            do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *args):
                pass

        return Handler


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # The tests are about clients that go away.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
