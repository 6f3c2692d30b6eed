# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64

from odoo import _, _lt, api, fields, models
from odoo.exceptions import AccessError, UserError

from ... import const
from ...source import Fact
from ...trust import check_access, get_readable
from ..api.client import VippsError
from ..provider.problem import PROBLEMS, Problem

PROBLEMS.update({
    'stickers': Problem(_lt("Customers cannot scan all stickers of %s"), level='error'),
})

# The fields that only Odoo itself writes: cashiers may write the settings of tills.
PROTECTED_FIELDS = {
    'vipps_sticker_number', 'vipps_sticker_provider_id', 'vipps_sticker_is_old',
}


class PosConfig(models.Model):
    """ The stickers of tills: printed codes that customers scan to check in. """
    _inherit = 'pos.config'

    vipps_sticker_number = fields.Char(
        string="Sticker",
        help="The number by which Vipps MobilePay knows the sticker of this till. It stays the same"
             " when the till is renamed.",
        copy=False,
        readonly=True,
        index='btree_not_null',
    )
    vipps_sticker_provider_id = fields.Many2one(
        string="Provider of the Sticker", comodel_name='payment.provider', copy=False,
        readonly=True, ondelete='set null', groups='base.group_system', index='btree_not_null',
    )
    vipps_sticker_is_old = fields.Boolean(
        string="Sticker of MobilePay", help="It was printed by MobilePay and taken over.",
        copy=False, readonly=True,
    )
    vipps_old_sticker_number = fields.Char(
        string="Number of the MobilePay Sticker",
        help="The number of a sticker that MobilePay printed before, called beacon ID there. It is"
             " in the settings of the system that used it.",
        copy=False,
    )
    vipps_sticker_method_ids = fields.Many2many(
        string="Payment Methods of the Sticker",
        comodel_name='pos.payment.method',
        compute='_compute_vipps_sticker_method_ids',
        compute_sudo=True,
    )

    _sql_constraints = [(
        'vipps_sticker_unique',
        'unique(vipps_sticker_provider_id, vipps_sticker_number)',
        "Each till has a sticker of its own.",
    )]

    #=== COMPUTE METHODS ===#

    @api.depends(
        'vipps_sticker_number', 'vipps_sticker_provider_id',
        'payment_method_ids.vipps_allow_sticker', 'payment_method_ids.vipps_provider_id',
    )
    def _compute_vipps_sticker_method_ids(self):
        for config in self:
            stored = get_readable(config)
            config.vipps_sticker_method_ids = stored.payment_method_ids.filtered(
                lambda method, config=stored: config.vipps_sticker_number
                and method.use_payment_terminal == 'vipps' and method.vipps_allow_sticker
                and method.vipps_provider_id == config.vipps_sticker_provider_id
            )

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `point_of_sale` to let nobody write which sticker is whose. """
        self._vipps_check_sticker_values(*values_list)
        # Nor are there default values, of the context or of users.
        nothing = dict.fromkeys(PROTECTED_FIELDS, False)
        return super().create([{**nothing, **values} for values in values_list])

    def write(self, values):
        """ Override of `point_of_sale` to let nobody write which sticker is whose. """
        self._vipps_check_sticker_values(values)
        return super().write(values)

    @api.model
    def _vipps_check_sticker_values(self, *values_list):
        """ Ensure that only Odoo itself writes the fields of stickers.

        :raise AccessError: If it is somebody else.
        """
        # No context that comes from a browser can have it.
        if not isinstance(self.env.context.get('vipps_permit'), Fact) and any(
            PROTECTED_FIELDS & values.keys() for values in values_list
        ):
            raise AccessError(_("Only the buttons of the till change its sticker."))

    #=== ACTION METHODS ===#

    def action_vipps_make_sticker(self):
        """ Make the sticker of the till, or repair the one it has, and show it.

        :raise AccessError: If the user is no administrator of the Point of Sale.
        :raise UserError: If it cannot be made.
        """
        config_sudo = self._vipps_get_for_stickers()
        number = config_sudo.vipps_sticker_number or config_sudo._vipps_prepare_sticker_number()
        config_sudo._vipps_put_sticker(number, config_sudo.vipps_sticker_is_old)
        return config_sudo._vipps_open_sticker()

    def action_vipps_take_over_sticker(self):
        """ Use a sticker that MobilePay printed before.

        :raise AccessError: If the user is no administrator of the Point of Sale.
        :raise UserError: If it cannot be taken over.
        """
        config_sudo = self._vipps_get_for_stickers()
        number = (config_sudo.vipps_old_sticker_number or '').strip()
        if not self.env['vipps.api.client']._is_sticker_number(number):
            raise UserError(_(
                "Enter the number of the MobilePay sticker first: letters, digits and hyphens."
            ))
        if config_sudo.vipps_sticker_number not in (False, number):
            raise UserError(_("This till has a sticker already. Remove that one first."))
        config_sudo._vipps_put_sticker(number, is_old=True)
        config_sudo.vipps_old_sticker_number = False
        return config_sudo._vipps_open_sticker()

    def action_vipps_show_sticker(self):
        """ Open the page with the sticker, to print it.

        :raise AccessError: If the user is no administrator of the Point of Sale.
        """
        return self._vipps_get_for_stickers()._vipps_open_sticker()

    def action_vipps_remove_sticker(self):
        """ Remove the sticker of the till: customers can no longer scan it.

        :raise AccessError: If the user is no administrator of the Point of Sale.
        :raise UserError: If it is not known whether it was removed.
        """
        config_sudo = self._vipps_get_for_stickers()
        provider_sudo = config_sudo.vipps_sticker_provider_id
        number = config_sudo.vipps_sticker_number
        if number and provider_sudo:
            try:
                self.env['vipps.api.client']._call(provider_sudo, 'delete_sticker', qr_id=number)
            except VippsError as error:
                if not error.is_not_found:
                    raise
        config_sudo._vipps_write_sticker(False, False, False)
        if provider_sudo:
            config_sudo._vipps_record_sticker(provider_sudo, _("Sticker of %s removed", self.name))
            unit_providers_sudo = provider_sudo._vipps_get_unit_providers()
            if not config_sudo.search_count([
                ('vipps_sticker_provider_id', 'in', unit_providers_sudo.ids),
            ], limit=1):
                for unit_provider_sudo in unit_providers_sudo:
                    unit_provider_sudo._vipps_drop_check_ins()

    #=== BUSINESS METHODS - STICKERS ===#

    def _vipps_get_for_stickers(self):
        """ Return the till in sudo mode, for a user who may set it up.

        :rtype: pos.config
        :raise AccessError: If the user may not.
        """
        config = check_access(self, 'write')
        config.ensure_one()
        if not config.env.user.has_group('point_of_sale.group_pos_manager'):
            raise AccessError(_("Only an administrator of the Point of Sale can do this."))
        return config.sudo()

    def _vipps_prepare_sticker_number(self):
        """ Return the number of a new sticker, which has nothing that can be renamed. """
        prefix = self.env['payment.transaction']._vipps_get_reference_prefix()
        return f'till-{self.id}-{prefix}'

    def _vipps_put_sticker(self, number, is_old):
        """ Make a sticker at Vipps MobilePay, or change its place, for this till.

        :param str number: Its number.
        :param bool is_old: Whether it is one that MobilePay printed.
        """
        provider = self.vipps_sticker_provider_id or self._vipps_find_sticker_provider()
        if self.search_count([
            ('vipps_sticker_number', '=', number),
            ('vipps_sticker_provider_id', 'in', provider._vipps_get_unit_providers().ids),
            ('id', '!=', self.id),
        ], limit=1):
            raise UserError(_(
                "Another till has this sticker. Each till needs one of its own: else nobody knows"
                " at which of them the customer stands."
            ))
        stale_webhooks = provider._vipps_find_stale_check_ins()
        self._vipps_send_location(provider, number, is_old)
        self._vipps_write_sticker(number, provider.id, is_old)
        self._vipps_record_sticker(provider, _("Sticker of %s made", self.name))
        # At last: its secret would be lost with what fails after it.
        provider._vipps_register_check_ins(stale_webhooks)

    def _vipps_send_location(self, provider, number, is_old):
        """ Make a sticker at Vipps MobilePay, or change the name that customers read. """
        self.env['vipps.api.client']._call(
            provider, 'take_over_sticker' if is_old else 'put_sticker', qr_id=number,
            location=self.name,
        )

    def _vipps_find_sticker_provider(self):
        """ Return the provider of a new sticker: the one of the first method that allows them. """
        methods = self.payment_method_ids.filtered(
            lambda method: method.use_payment_terminal == 'vipps' and method.vipps_allow_sticker
        )
        if not methods.vipps_provider_id:
            raise UserError(_(
                "Add a payment method of Vipps MobilePay to this till first, and allow stickers on"
                " it."
            ))
        return methods.vipps_provider_id[0]

    def _vipps_write_sticker(self, number, provider_id, is_old):
        self.with_context(vipps_permit=Fact(True)).write({
            'vipps_sticker_number': number,
            'vipps_sticker_provider_id': provider_id,
            'vipps_sticker_is_old': is_old,
        })

    def _vipps_record_sticker(self, provider, text):
        self.env['vipps.audit.event']._record('configured', provider, details=text)

    def _vipps_open_sticker(self):
        return {
            'type': 'ir.actions.act_url', 'url': f'{const.STICKER_ROUTE}/{self.id}',
            'target': 'new',
        }

    def _vipps_read_sticker(self):
        """ Return the sticker as it is at Vipps MobilePay just now, to show it.

        :return: Its picture as a data URI; the picture, and even its address, may change any day.
        :rtype: str
        :raise VippsError: If it cannot be read.
        """
        api_client = self.env['vipps.api.client']
        provider = self.vipps_sticker_provider_id
        sticker = api_client._call(provider, 'sticker', qr_id=self.vipps_sticker_number)
        picture = api_client._call(provider, 'picture', url=sticker.picture_url)
        return 'data:image/png;base64,' + base64.b64encode(picture).decode()

    #=== BUSINESS METHODS - CHECK-INS ===#

    @api.model
    def _vipps_find_session(self, provider, check_in):
        """ Return the open session of the till whose sticker was scanned, if there is one.

        :param payment.provider provider: The provider whose webhook was called.
        :param protocol.qr.CheckIn check_in: The check-in, whose signature was verified.
        :rtype: pos.session
        """
        configs = self.sudo().search([
            ('vipps_sticker_number', '=', check_in.qr_id),
            ('vipps_sticker_provider_id', 'in', provider._vipps_get_unit_providers().ids),
        ])
        return self.env['pos.session'].sudo().search([
            ('config_id', 'in', configs[:1].ids), ('state', '=', 'opened'), ('rescue', '=', False),
        ], limit=1)


class PaymentProvider(models.Model):
    """ The daily check of the stickers. """
    _inherit = 'payment.provider'

    def _vipps_watch_webhook(self):
        """ Override to check the stickers of the tills, too. """
        super()._vipps_watch_webhook()
        configs = self.env['pos.config'].sudo().search([
            ('vipps_sticker_provider_id', '=', self.id),
        ])
        if configs:
            self._vipps_watch_stickers(configs)
        else:
            self._vipps_end_alert('stickers')

    def _vipps_watch_stickers(self, configs):
        """ Compare the stickers of tills with those that Vipps MobilePay has, let customers read
        the new names of tills, and report problems. """
        api_client = self.env['vipps.api.client']
        try:
            with self.env.cr.savepoint():  # The new secret is kept when the rest fails.
                self._vipps_register_check_ins(self._vipps_find_stale_check_ins())
            with self.env.cr.savepoint():
                stickers = {
                    sticker.qr_id: sticker for sticker in api_client._call(self, 'stickers')
                }
                present = configs.filtered(lambda c: c.vipps_sticker_number in stickers)
                for config in present:
                    number = config.vipps_sticker_number
                    if stickers[number].location != api_client._cut_location(config.name):
                        config._vipps_send_location(self, number, config.vipps_sticker_is_old)
        except UserError as error:
            if not getattr(error, 'is_unknown', False):
                self._vipps_alert_administrator('stickers', error)
            return
        if configs - present:
            self._vipps_alert_administrator('stickers', _lt(
                "Vipps MobilePay does not know the stickers of these tills: %s. Open each Point of"
                " Sale and press Make Again. If the new picture differs from the printed one,"
                " print it again.", ", ".join((configs - present).mapped('name')),
            ))
        else:
            self._vipps_end_alert('stickers')
