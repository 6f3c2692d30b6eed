import os
import unittest
from pathlib import Path
from unittest.mock import patch

from .. import specs
from . import test_contract


class TestSpecs(unittest.TestCase):

    def load(self):
        """Return how many tests of each class of the contract's tests are loaded."""
        loader = unittest.TestLoader()
        cases = [loader.loadTestsFromTestCase(case) for case in (
            test_contract.TestClosing, test_contract.TestContract,
        )]
        loaded = test_contract.load_tests(loader, unittest.TestSuite(cases), None)
        return loaded.countTestCases(), [case.countTestCases() for case in cases]

    @patch.dict(os.environ, {'VIPPS_SPECS': '/a/folder/that/is/not/there'})
    def test_the_variable_names_the_folder_even_if_that_is_wrong(self):
        self.assertEqual(specs.find_specs(), Path('/a/folder/that/is/not/there'))

    @patch.dict(os.environ, {'VIPPS_SPECS': ''})
    def test_without_the_variable_the_folder_beside_the_tree_is_taken_if_there_is_one(self):
        with patch.object(specs, 'BESIDE_US', Path(__file__).parent):
            self.assertEqual(specs.find_specs(), Path(__file__).parent)
        with patch.object(specs, 'BESIDE_US', Path('/a/folder/that/is/not/there')):
            self.assertIsNone(specs.find_specs())

    def test_without_a_folder_nothing_is_compared_and_nothing_skipped(self):
        with patch.object(test_contract, 'SPECS', None):
            count, (closing, _contract) = self.load()
        self.assertEqual(count, closing)
        with patch.object(test_contract, 'SPECS', Path(__file__).parent):
            count, counts = self.load()
        self.assertEqual(count, sum(counts))
