# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command

from ... import const
from ...trust import clean, get_readable


class VippsSetupGuide(models.TransientModel):
    """ The way from an installed addon to a first paid order, one question per screen.

    Each entry is stored on the provider as soon as the next screen is opened, so that the
    guide can be left and resumed at any time.
    """
    _name = 'vipps.setup.guide'
    _description = "Vipps MobilePay Set-up Guide"
    _check_company_auto = True

    provider_id = fields.Many2one(
        comodel_name='payment.provider', required=True, readonly=True, ondelete='cascade'
    )
    # The provider is read as the user: a browser can make up guides of any.
    company_id = fields.Many2one(related='provider_id.company_id', related_sudo=False)
    step = fields.Selection(
        selection=[
            ('keys', "Keys"),
            ('market', "Market"),
            ('capture', "Capture"),
            ('tills', "Tills"),
            ('webhooks', "Events"),
            ('ways', "More Ways to Pay"),
            ('settlement', "Payouts"),
            ('payment', "Test Payment"),
            ('done', "Done"),
        ],
        required=True,
        readonly=True,
    )
    progress = fields.Char(compute='_compute_progress')
    progress_percent = fields.Integer(compute='_compute_progress')

    verdict = fields.Char(compute='_compute_verdict')
    environment = fields.Selection(related='provider_id.vipps_environment', related_sudo=False)
    market = fields.Selection(
        string="Your Market",
        selection=[
            ('NO', "Norway, in NOK"), ('DK', "Denmark, in DKK"), ('FI', "Finland, in EUR")
        ],
        required=True,
    )
    currency_advice = fields.Char(compute='_compute_currency_advice')
    capture_mode = fields.Selection(
        string="Capture Payments",
        selection=[
            ('manual', "Manually"), ('automatic', "Automatically"), ('on_delivery', "On delivery")
        ],
        required=True,
    )
    journal_id = fields.Many2one(
        string="Book Payments In",
        help="The journal of captured and refunded payments. With the usual outstanding accounts,"
             " they wait there until Vipps MobilePay pays them out.",
        comodel_name='account.journal',
        domain="[('type', '=', 'bank')]",
        check_company=True,
    )
    config_ids = fields.Many2many(
        string="Tills", comodel_name='pos.config', check_company=True,
        domain="[('company_id', '=', company_id)]",
    )
    open_tills = fields.Char(compute='_compute_open_tills')
    webhook_url = fields.Char(
        string="Address", related='provider_id.vipps_webhook_url', related_sudo=False
    )
    webhook_problem = fields.Char(readonly=True)
    is_published = fields.Boolean(related='provider_id.is_published', related_sudo=False)
    is_address_frozen = fields.Boolean(compute='_compute_is_address_frozen')

    #=== COMPUTE METHODS ===#

    @api.depends('step', 'provider_id')
    def _compute_progress(self):
        names = dict(self._fields['step']._description_selection(self.env))
        for guide in self:
            steps = guide._get_steps()
            number = steps.index(guide.step) + 1
            guide.progress_percent = 100 * number // len(steps)
            guide.progress = _(
                "Step %(number)s of %(total)s: %(name)s",
                number=number, total=len(steps), name=names[guide.step],
            )

    @api.depends('environment', 'provider_id.vipps_merchant_serial_number')
    def _compute_verdict(self):
        for guide in self:
            msn = guide.provider_id.vipps_merchant_serial_number
            guide.verdict = _(
                "These are production keys of sales unit %s: payments are real.", msn
            ) if guide.environment == 'production' else _(
                "These are test keys of sales unit %s: no money is moved.", msn
            )

    @api.depends('market', 'company_id')
    def _compute_currency_advice(self):
        for guide in self:
            currency = guide._get_currency()
            company_currency = guide.company_id.currency_id
            guide.currency_advice = bool(currency) and currency != company_currency and _(
                "%(company)s keeps its books in %(company_currency)s. Customers can pay with Vipps"
                " MobilePay when their price list is in %(currency)s.",
                company=guide.company_id.name, company_currency=company_currency.name,
                currency=currency.name,
            )

    @api.depends('company_id')
    def _compute_open_tills(self):
        for guide in self:
            open_tills = guide._get_tills().filtered('has_active_session')
            guide.open_tills = ", ".join(open_tills.mapped('name'))

    @api.depends('step')
    def _compute_is_address_frozen(self):
        is_frozen = self.env['ir.config_parameter'].sudo().get_param('web.base.url.freeze')
        for guide in self:
            guide.is_address_frozen = bool(get_readable(guide) and is_frozen)

    #=== CONSTRAINT METHODS ===#

    @api.constrains('provider_id')
    def _check_provider_id(self):
        """ Ensure that the user may configure the provider. """
        self.provider_id._vipps_check_administrator()

    #=== ACTION METHODS ===#

    def action_next(self):
        """ Store the values of this screen and open the next one.

        :raise UserError: If something on this screen is not right yet; the text names the remedy.
        """
        self = self._enter()
        finish = getattr(self, f'_finish_{self.step}', None)
        is_finished = not finish or finish() is not False
        return self._move(1 if is_finished else 0)

    def action_skip(self):
        """ Open the next screen and leave this one undone. """
        self = self._enter()
        if self.step not in ('tills', 'webhooks', 'settlement', 'payment'):
            raise UserError(_("This step is needed before the next one."))
        return self._move(1)

    def action_back(self):
        """ Open the previous screen. """
        return self._enter()._move(-1)

    def action_publish(self):
        """ Offer the provider to customers. """
        self = self._enter()
        self.provider_id.is_published = True
        return self._move(0)

    def action_freeze_address(self):
        """ Keep Odoo from changing the address of the website when an administrator logs in at
        another one. """
        self = self._enter()
        self.env['ir.config_parameter'].sudo().set_param('web.base.url.freeze', 'True')
        return self._move(0)

    def action_open_health(self):
        """ Open the health page of the provider. """
        return self._enter().provider_id.action_vipps_open_health()

    def action_open_checklist(self):
        """ Open the go-live checklist of the provider. """
        return self._enter().provider_id.action_vipps_open_checklist()

    #=== BUSINESS METHODS - NAVIGATION ===#

    @api.model
    def _open_for(self, provider):
        """ Open the guide for a provider where it was left. """
        currencies = provider.available_currency_ids
        currency = currencies if len(currencies) == 1 else provider.company_id.currency_id
        step = provider.vipps_guide_step
        guide = self.create({
            'provider_id': provider.id,
            # After the last screen, people come back with other keys.
            'step': 'keys' if step in (False, 'done') else step,
            'market': const.CURRENCY_MARKETS.get(currency.name, 'NO'),
            'capture_mode': provider.vipps_capture_mode,
        })
        if guide._get_tills():
            guide.config_ids = guide._get_till_methods().config_ids
        return guide._move(0)

    def _enter(self):
        """ Return the guide without anything that the caller put into its context.

        :raise AccessError: If the user may not configure the provider.
        """
        guide = clean(self)
        guide.check_access_rights('write')
        guide.check_access_rule('write')
        guide.ensure_one()
        guide.provider_id._vipps_check_administrator()
        return guide

    def _get_steps(self):
        """ Return the steps in their order; those without a till are not asked for tills. """
        steps = self._fields['step'].get_values(self.env)
        return steps if self._get_tills() else [step for step in steps if step != 'tills']

    def _move(self, distance):
        """ Go to another screen and remember it. """
        steps = self._get_steps()
        # The last till may be gone since.
        position = steps.index(self.step) if self.step in steps else steps.index('capture')
        self.step = steps[max(0, min(position + distance, len(steps) - 1))]
        if distance:
            self.webhook_problem = False
            self.provider_id.vipps_guide_step = self.step
        show = getattr(self, f'_show_{self.step}', None)
        if show:
            show()
        return {
            'type': 'ir.actions.act_window',
            'name': _("Set up %s", self.provider_id.name),
            'res_model': self._name,
            'res_id': self.id,
            'view_mode': 'form',
            'views': [(False, 'form')],
            'target': 'new',
        }

    #=== BUSINESS METHODS - MARKET AND CAPTURE ===#

    def _get_currency(self):
        """ Return the currency of the market, active or not. """
        names = [name for name, market in const.CURRENCY_MARKETS.items() if market == self.market]
        return self.env['res.currency'].with_context(active_test=False).search(
            [('name', 'in', names)], limit=1
        )

    def _get_payment_method(self):
        """ Return the payment method that carries the brand of the market, active or not. """
        return self.env['payment.method'].with_context(active_test=False).search(
            [('code', '=', const.CURRENCY_PAYMENT_METHODS[self._get_currency().name])], limit=1
        )

    def _finish_market(self):
        """ Let the provider take the currency of the market, under the brand of the market. """
        currency = self._get_currency()
        currency.active = True
        method = self._get_payment_method()
        provider = self.provider_id.with_context(active_test=False)
        other_brands = provider.payment_method_ids.filtered(
            lambda m: m.code in const.DEFAULT_PAYMENT_METHOD_CODES
        ) - method
        provider.write({
            'available_currency_ids': [Command.set(currency.ids)],
            'payment_method_ids': [
                Command.link(method.id), *(Command.unlink(other.id) for other in other_brands)
            ],
        })
        method.active = True

    def _show_capture(self):
        # Administrators need not be accountants.
        self.journal_id = self.provider_id.sudo().journal_id

    def _finish_capture(self):
        self.provider_id.vipps_capture_mode = self.capture_mode
        if self.journal_id and self.journal_id != self.provider_id.sudo().journal_id:
            self.provider_id.journal_id = self.journal_id

    #=== BUSINESS METHODS - TILLS ===#

    def _get_tills(self):
        """ Return the tills of the company, if the user may configure them. """
        if not self.env.user.has_group('point_of_sale.group_pos_manager'):
            return self.env['pos.config']
        return self.env['pos.config'].search([('company_id', '=', self.company_id.id)])

    def _get_till_methods(self):
        """ Return the payment methods of tills with the provider. """
        return self.env['pos.payment.method'].search([
            ('vipps_provider_id', '=', self.provider_id.id),
        ])

    def _finish_tills(self):
        """ Give the chosen tills a payment method of the provider, and only those. """
        methods = self._get_till_methods()
        added_configs = self.config_ids - methods.config_ids
        removed_configs = methods.config_ids - self.config_ids
        self._check_tills(added_configs, removed_configs)
        for config in removed_configs:
            config.payment_method_ids -= methods
        if added_configs:
            method = methods[:1] or self._create_till_method()
            added_configs.write({'payment_method_ids': [Command.link(method.id)]})

    def _check_tills(self, added_configs, removed_configs):
        open_configs = (added_configs | removed_configs).filtered('has_active_session')
        if open_configs:
            raise UserError(_(
                "These tills have an open session, during which payment methods cannot be changed:"
                " %s. Close it first, or leave them as they are and come back to this guide later.",
                ", ".join(open_configs.mapped('name')),
            ))
        currency = self._get_currency()
        wrong_configs = added_configs.filtered(lambda config: config.currency_id != currency)
        if wrong_configs:
            raise UserError(_(
                "These tills do not take %(currency)s, which is the currency of your market:"
                " %(tills)s. Leave them out.",
                currency=currency.name, tills=", ".join(wrong_configs.mapped('name')),
            ))

    def _create_till_method(self):
        """ Create the payment method of tills, in the journal of the provider. """
        journal = self.provider_id.journal_id
        if journal.type != 'bank' or not journal.active:
            raise ValidationError(_(
                "Choose a bank journal as the payment journal of %s first, under Configuration.",
                self.provider_id.name,
            ))
        return self.env['pos.payment.method'].create({
            'name': self._get_payment_method().name,
            'company_id': self.company_id.id,
            'journal_id': journal.id,
            'use_payment_terminal': 'vipps',
            'vipps_provider_id': self.provider_id.id,
        })

    #=== BUSINESS METHODS - WEBHOOKS ===#

    def _finish_webhooks(self):
        """ Register the webhook, unless all is well with the one that there is. Return whether it
        answers now: if not, the screen shows the fault. """
        provider = self.provider_id
        url = provider._vipps_get_webhook_url()
        try:
            with self.env.cr.savepoint():
                answer = provider._vipps_try_webhook_url(url)
                provider._vipps_repair_webhook()
            self.webhook_problem = provider._vipps_describe_webhook_answer(url, answer)
        except UserError as error:
            self.webhook_problem = str(error)
        return not self.webhook_problem
