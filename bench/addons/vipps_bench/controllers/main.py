# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import http
from odoo.http import request


class BenchController(http.Controller):

    @http.route(
        '/vipps_bench/row', type='http', auth='public', methods=['POST'], csrf=False,
        save_session=False,
    )
    def vipps_bench_row(self, **data):
        """ Store the body in a row, the least that a webhook could do. """
        request.env.cr.execute(
            "INSERT INTO vipps_bench_row (body) VALUES (%s)",
            [request.httprequest.get_data(as_text=True)],
        )
        return request.make_response('')
