"""A mail server that lets connections wait until it may answer."""

import email
import email.policy
import select
import socket
import socketserver
import threading


class MailServer(socketserver.ThreadingTCPServer):
    """Takes connections on this machine at once, and every mail as soon as it answers."""

    daemon_threads = True

    def __init__(self):
        """Listen, and answer nobody."""
        super().__init__(('127.0.0.1', 0), _Connection)
        self.port = self.server_address[1]
        self.waiting = []  # how many waited at the same time, whenever one more began to
        self._waiting = set()
        self.mails = []  # all that were taken
        self.is_answering = threading.Event()
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    def close(self):
        """Let nobody wait any longer, and stop."""
        self.is_answering.set()
        self.shutdown()
        self.server_close()

    def keep_waiting(self, connection):
        """Keep a connection waiting until it is answered, or gone; returns whether it is there."""
        self._waiting.add(connection)
        self.waiting.append(len(self._waiting))
        try:
            while not self.is_answering.wait(0.1):
                if select.select([connection], [], [], 0)[0] and not connection.recv(
                    1, socket.MSG_PEEK
                ):
                    return False
            return True
        finally:
            self._waiting.remove(connection)

    def handle_error(self, request, client_address):
        """Overlook who is gone: some are killed."""


class _Connection(socketserver.StreamRequestHandler):

    def handle(self):
        if not self.server.keep_waiting(self.request):
            return
        self._say(220, "ready")
        for line in self.rfile:
            command = line[:4].strip().upper()
            if command == b'DATA':
                self._say(354, "go on")
                self._take(b''.join(iter(self.rfile.readline, b'.\r\n')))
            self._say(221 if command == b'QUIT' else 250, "done")
            if command == b'QUIT':
                break

    def _say(self, code, text):
        self.wfile.write(f'{code} {text}\r\n'.encode())

    def _take(self, content):
        self.server.mails.append(email.message_from_bytes(content, policy=email.policy.default))
