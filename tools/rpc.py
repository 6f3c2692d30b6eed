"""Call Odoo as its web client does: JSON-RPC with a user's password."""

import json
import urllib.request

from .console import Failure


class RpcError(Failure):
    """Odoo refused a call; the text is the exception's name and its message."""


class Rpc:
    """The methods of one database, called as one user."""

    def __init__(self, url, database, login='admin', password='admin'):
        """Remember who calls; the user is looked up with the first call."""
        self.url = url
        self.database = database
        self.login = login
        self.password = password
        self._uid = None

    def __call__(self, model, method, *arguments, **named):
        """Call a method of a model.

        :raise RpcError: When Odoo answers with an error.
        """
        if not self._uid:
            self._uid = self._send('common', 'login', self.database, self.login, self.password)
        return self._send(
            'object', 'execute_kw', self.database, self._uid, self.password, model, method,
            arguments, named,
        )

    def reference(self, xmlid):
        """Return the id of the record with that external id."""
        module, name = xmlid.split('.')
        domain = [('module', '=', module), ('name', '=', name)]
        found = self('ir.model.data', 'search_read', domain, ['res_id'])
        return found[0]['res_id']

    def _send(self, service, method, *arguments):
        """Send one call and return its result."""
        body = {
            'jsonrpc': '2.0', 'method': 'call',
            'params': {'service': service, 'method': method, 'args': arguments},
        }
        request = urllib.request.Request(
            f'{self.url}/jsonrpc', json.dumps(body).encode(), {'Content-Type': 'application/json'}
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            answer = json.load(response)
        if 'error' in answer:
            data = answer['error']['data']
            raise RpcError(f"{data['name']}: {data['message']}")
        return answer.get('result')  # Odoo leaves out what is None.
