# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ast
import re
from pathlib import Path
from unittest.mock import Mock, patch

from psycopg2 import OperationalError
from psycopg2.errors import SerializationFailure

from odoo.modules.migration import load_script
from odoo.modules.module import get_module_path
from odoo.tests import tagged
from odoo.tests.common import BaseCase
from odoo.tools import mute_logger

from ...models.jobs import own_transaction
from ...models.provider import alert
from ...models.provider.problem import PROBLEMS
from ..common import TransactionCommon

FOLDER = Path(get_module_path('mobilepay_vipps'))

# What is called with the key of a problem first.
CALLS = {
    '_vipps_alert_administrator', '_vipps_end_alert', '_vipps_schedule_activity',
    '_vipps_end_activity', '_vipps_get_activities',
}


@tagged('post_install', '-at_install')
class TestProblems(BaseCase):
    """ Each problem is defined once, and everything else goes by its key. """

    def _get_keys_used(self):
        for folder in ('models', 'wizards', 'controllers'):
            for path in (FOLDER / folder).rglob('*.py'):
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') in CALLS:
                        if isinstance(node.args[0], ast.Constant):
                            yield node.args[0].value, f'{path.name}:{node.lineno}'

    def test_code_names_problems_that_are_registered(self):
        used = list(self._get_keys_used())
        self.assertGreater(len(used), 20)
        self.assertFalse([place for key, place in used if key not in PROBLEMS])

    def test_each_problem_is_found_or_raised_by_something(self):
        source = ''.join(
            path.read_text() for path in (FOLDER / 'models').rglob('*.py')
        )
        raised = {key for key, _place in self._get_keys_used()}
        for key, problem in PROBLEMS.items():
            with self.subTest(key):
                self.assertIn(problem.level, ('error', 'warning'))
                for method in filter(None, (problem.find, problem.over)):
                    self.assertIn(f'def {method}(self', source)
                if not (problem.find or problem.listed):
                    self.assertTrue(
                        key in raised or re.search(rf"['_]{key}': \(|{key}'\)", source), key
                    )

    def test_the_documentation_lists_what_the_health_page_can_show(self):
        pages = (FOLDER / 'README.md', *FOLDER.glob('docs/operations.md'))
        table = re.compile(r'^\| Key \| What is wrong \|.*\n\|[-| ]+\n((?:\|.*\n)+)', re.MULTILINE)
        rows = ''.join(row for path in pages for row in table.findall(path.read_text()))
        keys = re.findall(r'^\| `(\w+)` \|', rows, re.MULTILINE)
        shown = [key for key, problem in PROBLEMS.items() if problem.find or problem.listed]
        self.assertEqual(sorted(keys), sorted(shown))


@tagged('post_install', '-at_install')
class TestAlerts(TransactionCommon):
    """ Alerts are written after the database transaction in which a problem was met. """

    def setUp(self):
        super().setUp()
        self.startPatcher(
            patch.object(alert, 'after_transaction', own_transaction.after_transaction)
        )

    def _end_transaction(self, is_committed):
        """ Do what Odoo does with our hooks at the end of a database transaction. """
        self.env.flush_all()
        cr = self.env.cr
        hooks = []
        for callbacks in (cr.postcommit, cr.postrollback):
            own = [hook for hook in callbacks._funcs if 'after_transaction' in hook.__qualname__]
            for hook in own:
                callbacks._funcs.remove(hook)
            if callbacks is (cr.postcommit if is_committed else cr.postrollback):
                hooks = own
        for hook in hooks:
            hook()

    def _get_alert_keys(self):
        return self._get_activities().mapped('vipps_problem')

    def test_an_alert_waits_for_the_end_of_the_transaction_and_survives_a_rollback(self):
        for is_committed in (True, False):
            with self.subTest(is_committed=is_committed):
                self.vipps._vipps_alert_administrator('webhook_watch', "A note")
                self.assertFalse(self._get_activities())
                self._end_transaction(is_committed)
                self.assertEqual(self._get_alert_keys(), ['webhook_watch'])
                self._get_activities().unlink()

    def test_an_alert_ends_only_when_its_solution_is_committed(self):
        self.vipps._vipps_alert_administrator('webhook_watch', "A note")
        self._end_transaction(True)
        for is_committed, expected in ((False, ['webhook_watch']), (True, [])):
            self.vipps._vipps_end_alert('webhook_watch')
            self.assertEqual(self._get_alert_keys(), ['webhook_watch'])
            self._end_transaction(is_committed)
            self.assertEqual(self._get_alert_keys(), expected)

    def test_a_problem_that_is_met_again_and_again_is_told_once(self):
        for _i in range(3):
            self.vipps._vipps_alert_administrator('webhook_repaired', values="It was gone.")
        self._end_transaction(True)
        activity, = self._get_activities()
        self.assertEqual(activity.summary, "The webhook was repaired")
        self.assertTrue(activity.user_id.has_group('base.group_system'))
        self.assertIn("It was gone. This was repaired", activity.note)

    def test_an_alert_is_written_in_the_language_of_the_administrator(self):
        self.env['res.lang']._activate_lang('nb_NO')
        self.vipps._vipps_get_administrator().sudo().lang = 'nb_NO'
        self.vipps._vipps_alert_administrator('comparison', "A note")
        self._end_transaction(True)
        self.assertNotEqual(
            self._get_activities().summary, "Payments cannot be compared with Vipps MobilePay"
        )

    def test_code_raises_only_problems_that_are_registered(self):
        with self.assertRaises(AssertionError):
            self.vipps._vipps_alert_administrator('unheard_of', "A note")

    def test_an_alert_that_cannot_be_written_only_leaves_a_trace_in_the_log(self):
        self.vipps._vipps_alert_administrator('comparison', "A note")
        with patch.object(
            type(self.vipps), '_vipps_raise_alert', side_effect=ValueError("Broken"),
        ), self.assertLogs(own_transaction.__name__, 'ERROR'):
            self._end_transaction(True)

    def test_what_collides_with_others_is_repeated(self):
        class Collision(SerializationFailure):
            pgcode = '40001'

        calls = []

        def collide(env):
            calls.append(env)
            if len(calls) < 3:
                raise Collision
            return env.uid

        with mute_logger('odoo.sql_db'), patch.object(own_transaction.time, 'sleep'):
            self.assertEqual(own_transaction.in_own_transaction(self.registry, collide), 1)
            self.assertEqual(len(calls), 3)
            with self.assertRaises(OperationalError):
                own_transaction.in_own_transaction(self.registry, Mock(side_effect=Collision))

    def test_activities_of_earlier_versions_get_their_keys(self):
        for name in ('vipps_subscription_key', 'vipps_secondary_subscription_key'):
            self.vipps.activity_schedule(
                'mail.mail_activity_data_warning', summary="Refused",
                vipps_problem=f'subscription_key:{name}',
            )
        self.env.flush_all()
        path = FOLDER / 'migrations' / '17.0.1.6.0' / 'pre-problems.py'
        load_script(str(path), 'pre_problems').migrate(self.env.cr, '17.0.1.5.0')
        self.assertEqual(
            set(self._get_alert_keys()), {'subscription_key', 'secondary_subscription_key'},
        )
