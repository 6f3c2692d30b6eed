# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from werkzeug.wsgi import LimitedStream

from odoo import models
from odoo.http import request


class IrHttp(models.AbstractModel):
    _inherit = 'ir.http'

    @classmethod
    def _pre_dispatch(cls, rule, args):
        """ Override of `http_routing` to read no more of a body whose length nobody declared than
        our routes take: werkzeug compares only a length that is declared. """
        super()._pre_dispatch(rule, args)
        environ = request.httprequest._HTTPRequest__environ
        if rule.rule.startswith('/payment/vipps/') and environ.get('wsgi.input_terminated'):
            environ['wsgi.input'] = LimitedStream(
                environ['wsgi.input'], rule.endpoint.routing['max_content_length'] + 1
            )
