# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ...trust import check_access, clean


class VippsSettlementImport(models.TransientModel):
    """ The import of a file from the portal of Vipps MobilePay.

    The file has names and phone numbers of customers, so it is never stored: what is needed of it
    is taken over when the dialog is saved.
    """
    _name = 'vipps.settlement.import'
    _description = "Vipps MobilePay Settlement Import"

    content = fields.Binary(string="File", store=False)
    name = fields.Char(string="File Name", default="entries.csv")
    file_ids = fields.Many2many(
        string="Files", comodel_name='vipps.settlement.file', readonly=True,
    )

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `orm` to take over the files.

        :raise AccessError: If the user is no accountant.
        :raise UserError: If a file cannot be used. Nothing of it is stored then.
        """
        self = clean(self)
        self.check_access_rights('create')
        return super().create([
            {'name': name, 'file_ids': [Command.set(self._import(name, content).ids)]}
            for name, content in (
                (str(values.get('name') or _("File")), values.get('content'))
                for values in values_list
            )
        ])

    #=== ACTION METHODS ===#

    def action_open_files(self):
        """ Open the results.

        :rtype: dict
        """
        self = check_access(self, 'read')
        action = self.env['ir.actions.act_window']._for_xml_id(
            'mobilepay_vipps.action_vipps_settlement_file'
        )
        files = self.file_ids
        if len(files) == 1:
            return {**action, 'views': [(False, 'form')], 'res_id': files.id}
        return {**action, 'domain': [('id', 'in', files.ids)], 'context': {}}

    #=== BUSINESS METHODS ===#

    def _import(self, name, content):
        try:
            data = base64.b64decode(content, validate=True)
        except (TypeError, ValueError):
            data = b''
        if not data:
            raise UserError(_("Choose the file that you exported from the Vipps MobilePay portal."))
        company = self.env.company
        return self.env['vipps.settlement.file'].sudo()._import(
            name, data, company | self.env.companies
        )
