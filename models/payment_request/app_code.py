# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.osv import expression

from ..api.client import VippsError
from ..jobs.own_transaction import NOTHING_LEFT, run_steps
from ..jobs.task import DONE, MAX_SILENCES, NO_ANSWER

# For as long after the due date, the code of a paid invoice still leads to a page that says so.
KEPT_PERIOD = timedelta(days=30)

PICTURE_SIZE = 600


class VippsAppCode(models.Model):
    """ A code at Vipps MobilePay that opens the payment page of an invoice, also when it is scanned
    in the app. It is made, changed and deleted with the invoice, by a job. """
    _name = 'vipps.app.code'
    _description = "Vipps MobilePay Code of an Invoice"

    move_id = fields.Many2one(
        string="Invoice", comodel_name='account.move', readonly=True, ondelete='set null',
    )
    provider_id = fields.Many2one(
        string="Provider", comodel_name='payment.provider', required=True, readonly=True,
        ondelete='cascade',
    )
    company_id = fields.Many2one(
        string="Company", comodel_name='res.company', required=True, readonly=True,
    )
    qr_id = fields.Char(string="ID at Vipps MobilePay", required=True, readonly=True)
    url = fields.Char(string="Opened Page", readonly=True)
    image = fields.Binary(string="Picture", readonly=True)
    state = fields.Selection(
        string="State",
        selection=[('wanted', "To be made"), ('made', "Made"), ('refused', "Refused")],
        required=True, readonly=True, default='wanted', index=True,
    )

    _sql_constraints = [
        ('move_unique', 'unique(move_id)', "An invoice has one code."),
    ]

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _cron_app_codes(self):
        """ Make, change and delete the codes of invoices, each in a database transaction of its
        own. A code whose turn failed has its next one in the next run, after all others. """
        due_ids, silences = self._find_due().ids, 0

        def step(env):
            nonlocal silences
            if not due_ids or silences == MAX_SILENCES:
                return NOTHING_LEFT
            code = env[self._name].browse(due_ids.pop(0)).exists()
            outcome = code.with_company(code.company_id)._converge() if code else DONE
            silences = silences + 1 if outcome == NO_ANSWER else 0
            return DONE

        if run_steps(self.env, step, job='app_codes'):
            self.env.ref('mobilepay_vipps.cron_app_codes')._trigger()

    @api.model
    def _find_due(self):
        """ Return the codes that are to be made, or that may have to be changed or deleted: those
        that were not tried for the longest time come first. """
        last_day = fields.Date.context_today(self) - KEPT_PERIOD
        over = self.search([
            ('state', '!=', 'refused'),  # What is refused once is not asked for ever.
            '|', ('move_id', '=', False), '|', ('move_id.state', '=', 'cancel'),
            '&', ('move_id.payment_state', 'in', ('paid', 'in_payment', 'reversed')),
            ('move_id.invoice_date_due', '<', last_day),
        ])
        base_urls = {
            self.env['ir.config_parameter'].sudo().get_param('web.base.url', ''),
            *self.env['website'].sudo().search([('domain', '!=', False)]).mapped('domain'),
        }
        is_elsewhere = [('url', 'not like', f"{url.rstrip('/')}/%") for url in base_urls]
        wanted = self.search(expression.OR([
            [('state', '=', 'wanted')], [('state', '=', 'made'), *is_elsewhere],
        ]))
        return (over | wanted).sorted(lambda code: (code.write_date, code.id))

    def _converge(self):
        """ Make the code at Vipps MobilePay what it is to be.

        :return: The outcome: `DONE`, or `NO_ANSWER` if it has to be tried again.
        """
        move = self.move_id
        try:
            if not move or move.state == 'cancel' or self._is_kept_long_enough():
                self._delete()
            elif self.state != 'made' or self.url != move._vipps_get_pay_url():
                self._make(move._vipps_get_pay_url())
        except VippsError as error:
            # Keys that are wrong are no fault of the code.
            if error.is_no_answer or error.retryable or error.is_unauthorized:
                self.write({'state': self.state})  # It was tried now.
                return NO_ANSWER
            self.state = 'refused'
        return DONE

    def _is_kept_long_enough(self):
        move = self.move_id
        return move.payment_state in ('paid', 'in_payment', 'reversed') and (
            move.invoice_date_due
            and move.invoice_date_due < fields.Date.context_today(self) - KEPT_PERIOD
        )

    def _make(self, url):
        """ Make the code or let it open another page, and fetch its picture.

        :raise VippsError: If that is not possible.
        """
        if not self.env['vipps.api.client']._is_redirect_url(url):
            self.state = 'refused'
            return
        values = {'qr_id': self.qr_id, 'redirect_url': url, 'size': PICTURE_SIZE}
        try:
            code = self._call('create_redirect' if self.state == 'wanted' else 'update_redirect',
                              **values)
        except VippsError as error:
            if not error.is_conflict:
                raise
            code = self._call('update_redirect', **values)  # An answer was lost.
        picture = self._call('picture', url=code.url)
        self.write({'state': 'made', 'url': url, 'image': base64.b64encode(picture)})

    def _delete(self):
        """ Delete the code at Vipps MobilePay, and here.

        :raise VippsError: If that is not possible.
        """
        try:
            self._call('delete_redirect', qr_id=self.qr_id)
        except VippsError as error:
            if not error.is_not_found:
                raise
        self.unlink()

    def _call(self, operation, **arguments):
        return self.env['vipps.api.client']._call(self.provider_id, operation, **arguments)


class AccountMove(models.Model):
    """ Invoices whose code scans in the app. """
    _inherit = 'account.move'

    def _post(self, soft=True):
        """ Override of `account` to have the codes of invoices made. """
        posted = super()._post(soft)
        posted.filtered(lambda move: move.move_type == 'out_invoice')._vipps_want_app_codes()
        return posted

    def _vipps_want_app_codes(self):
        """ Have the job make the codes of invoices that carry one. """
        if 'vipps_code_in_app' not in self.env['payment.provider']._vipps_get_switches():
            return
        codes_sudo = self.env['vipps.app.code'].sudo()
        known = codes_sudo.search([('move_id', 'in', self.ids)]).move_id
        values_list = [{
            'move_id': move.id,
            'provider_id': provider_sudo.id,
            'company_id': provider_sudo.company_id.id,
            'qr_id': move._vipps_get_pay_route().rpartition('/')[2],
        } for move in self - known if (
            provider_sudo := move.sudo()._vipps_get_left_to_pay() > 0
            and move._vipps_find_printing_provider()
        ) and provider_sudo.vipps_code_in_app]
        if values_list:
            codes_sudo.create(values_list)
            self.env.ref('mobilepay_vipps.cron_app_codes').sudo()._trigger()

    def _vipps_get_printed_code(self):
        """ Override of `vipps.payable` to print the code that scans in the app, if it is there. """
        printed = super()._vipps_get_printed_code()
        code_sudo = printed and self.env['vipps.app.code'].sudo().search([
            ('move_id', '=', self.id), ('state', '=', 'made'), ('url', '=', printed['url']),
        ], limit=1)
        if code_sudo:
            printed.update(
                image=f'data:image/png;base64,{code_sudo.image.decode()}',
                hint=_("Scan the code with the app or the camera of your phone, or open this"
                       " link:"),
            )
        return printed
