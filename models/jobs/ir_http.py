# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import io

from odoo import models
from odoo.http import request


class LimitedInput(io.RawIOBase):
    """ The beginning of a body. """

    def __init__(self, stream, size):
        self._stream = stream
        self._left = size

    def readable(self):
        """ Return that it can be read. """
        return True

    def readinto(self, buffer):
        """ Read the next piece, and return its size. """
        piece = self._stream.read(min(len(buffer), self._left))
        buffer[:len(piece)] = piece
        self._left -= len(piece)
        return len(piece)


class IrHttp(models.AbstractModel):
    _inherit = 'ir.http'

    @classmethod
    def _pre_dispatch(cls, rule, args):
        """ Override of `http_routing` to read no more of a body whose length nobody declared than
        our routes take: werkzeug compares only a length that is declared. """
        super()._pre_dispatch(rule, args)
        environ = request.httprequest._HTTPRequest__environ
        if rule.rule.startswith('/payment/vipps/') and environ.get('wsgi.input_terminated'):
            environ['wsgi.input'] = LimitedInput(
                environ['wsgi.input'], rule.endpoint.routing['max_content_length'] + 1
            )
