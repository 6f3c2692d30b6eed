# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo.exceptions import ValidationError
from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .common import TransactionCommon


@tagged('post_install', '-at_install')
class TestMigrationViews(TransactionCommon):

    def _migrate(self, stage):
        self.env.flush_all()
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.6.0/{stage}-views.py'
        load_script(path, f'{stage}_views').migrate(self.env.cr, '17.0.1.5.0')
        self.env.invalidate_all()

    def _write_arch(self, view, **archs):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE ir_ui_view SET arch_db = %s WHERE id = %s", [json.dumps(archs), view.id],
        )
        self.env.invalidate_all()

    def _protect(self, view):
        name = view.xml_id.partition('.')[2]
        self.env['ir.model.data'].search([
            ('module', '=', 'mobilepay_vipps'), ('name', '=', name),
        ]).noupdate = True

    def test_views_keep_their_languages_and_those_that_are_protected_their_texts(self):
        gone = '<data><sheet position="inside"><field name="vipps_gone"/></sheet></data>'
        good = '<data><sheet position="inside"><div class="vipps_mine"/></sheet></data>'
        provider_view = self.env.ref('mobilepay_vipps.payment_provider_form')
        broken_view = self.env.ref('mobilepay_vipps.payment_provider_form_health')
        mine_view = self.env.ref('mobilepay_vipps.payment_provider_form_checklist')
        off_view = self.env.ref('mobilepay_vipps.payment_transaction_search')
        off_view.active = False
        arch = provider_view.arch_db
        self._write_arch(provider_view, en_US=arch, de_DE=arch)
        self._write_arch(broken_view, en_US=gone)
        self._write_arch(mine_view, en_US=good)
        self._protect(broken_view)
        self._protect(mine_view)
        self._migrate('pre')
        provider_view._check_xml()
        with self.assertLogs('odoo.addons.mobilepay_vipps.migrations', 'WARNING') as logs:
            self._migrate('post')
        provider_view._check_xml()
        self.assertIn(broken_view.xml_id, logs.output[0])
        self.assertEqual(len(logs.output), 1)
        self.env.cr.execute("""
            SELECT id, active, arch_db->>'en_US', arch_db->>'de_DE' FROM ir_ui_view WHERE id IN %s
        """, [(provider_view.id, broken_view.id, mine_view.id)])
        self.assertEqual({row[0]: row[1:] for row in self.env.cr.fetchall()}, {
            provider_view.id: (True, arch, arch),
            broken_view.id: (False, gone, None),
            mine_view.id: (True, good, None),
        })
        self.assertFalse(off_view.active)
        self.assertIn('vipps_mine', self.vipps.get_view(view_type='form')['arch'])

    def test_fields_that_are_gone_keep_no_view_from_being_updated(self):
        old_view = self.env.ref('mobilepay_vipps.payment_provider_form_health')
        self.env.cr.execute(
            "UPDATE ir_ui_view SET arch_db = jsonb_build_object('en_US', %s) WHERE id = %s",
            ['<data><sheet position="inside"><field name="vipps_gone"/></sheet></data>',
             old_view.id],
        )
        self.env.invalidate_all()
        provider_view = self.env.ref('mobilepay_vipps.payment_provider_form')
        with self.assertRaises(ValidationError), self.env.cr.savepoint():
            provider_view._check_xml()
        self._migrate('pre')
        provider_view._check_xml()
