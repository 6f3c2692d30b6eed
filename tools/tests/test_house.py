import tempfile
import unittest
from pathlib import Path

from tools.house import find_overrides, measure_code

SYNC = '''
class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    def _vipps_sync(self):
        """ Read what happened.

        Whoever asks gets the state.
        """

    def _vipps_is_open(self):
        """ Hook for tills: return whether the payment is open. """
'''
TILL = '''
class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    def _vipps_sync(self):
        """ Read the payment of a till. """

    def _vipps_is_open(self):
        return super()._vipps_is_open()
'''
METHOD = '''
class PosPaymentMethod(models.Model):
    _inherit = 'pos.payment.method'

    def _vipps_sync(self):
        pass
'''


class TestHouse(unittest.TestCase):
    def test_an_own_method_of_a_model_is_overridden_only_where_it_is_marked_as_hook(self):
        found = find_overrides({
            Path('models/transaction/sync.py'): SYNC, Path('models/till/sync.py'): TILL,
            Path('models/till/method.py'): METHOD,
        })
        self.assertEqual(found, [
            'payment.transaction._vipps_sync: models/till/sync.py models/transaction/sync.py',
        ])

    def test_files_are_counted_by_their_packages(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (
                ('models/transaction/sync.py', SYNC), ('models/till/sync.py', TILL),
                ('protocol/client.py', 'pass\n'), ('wizards/capture.py', 'f = lambda: 1\n' * 451),
                ('models/transaction/user_info.py', '\n' * 451), ('tests/test_sync.py', 'pass\n'),
            ):
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            figures = measure_code(Path(folder))
        self.assertEqual(
            figures["lines of Python in models and wizards"],
            SYNC.count('\n') + TILL.count('\n') + 451 + 451,
        )
        self.assertEqual(figures["lines of the money core"], SYNC.count('\n') + 1)
        self.assertEqual(figures["lambdas in models and wizards"], 451)
        self.assertEqual(figures["docstrings with a free clause"], 1)
        self.assertEqual(
            figures["files in models above 450 lines"], '1\n    models/transaction/user_info.py 451'
        )
