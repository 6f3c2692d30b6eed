# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged

from .common import TransactionCommon


@tagged('post_install', '-at_install')
class TestMigrationBranches(TransactionCommon):

    def test_branches_no_longer_read_it_unless_somebody_chose_so(self):
        path = f'{get_module_path("mobilepay_vipps")}/migrations/17.0.1.5.0/post-branches.py'
        script = load_script(path, 'post_branches')
        rules = {name: self.env.ref(f'mobilepay_vipps.{name}') for name in script.RULES}
        now = {name: rule.domain_force for name, rule in rules.items()}
        self.assertEqual(now, {name: after for name, (_before, after) in script.RULES.items()})
        for name, rule in rules.items():
            rule.domain_force = script.RULES[name][0]  # As the version before had it.
        chosen = rules['vipps_api_call_company_rule']
        chosen.domain_force = "[(0, '=', 1)]"
        self.env.flush_all()
        script.migrate(self.env.cr, '17.0.1.4.0')
        self.env.invalidate_all()
        self.assertEqual(
            {name: rule.domain_force for name, rule in rules.items()},
            {**now, 'vipps_api_call_company_rule': "[(0, '=', 1)]"},
        )
