import re
import unittest

from hypothesis import given
from hypothesis import strategies as st

from .. import reference

DOCUMENTED_PATTERN = r'[a-zA-Z0-9-]{8,64}'


class TestReference(unittest.TestCase):

    @given(st.text())
    def test_any_document_makes_a_valid_reference(self, document):
        made = reference.make('AB2CD', document, 'XYZ234')
        self.assertTrue(re.fullmatch(DOCUMENTED_PATTERN, made))
        self.assertTrue(made.startswith('AB2CD-') and made.endswith('-XYZ234'))

    def test_the_number_of_the_document_stays_readable(self):
        for document, readable in (
            ('S00042', 'S00042'),
            ('INV/2024/00007', 'INV-2024-00007'),
            ('Tilbud_nr. 7 (æøå)', 'Tilbud-nr-7-aeoa'),
            ('INV–2024—7', 'INV-2024-7'),
            ('Žluťoučký Kůň', 'Zlutoucky-Kun'),
            ('支払い', None),
        ):
            with self.subTest(document=document):
                parts = ['AB2CD', readable, 'XYZ234']
                self.assertEqual(
                    reference.make('AB2CD', document, 'XYZ234'), '-'.join(filter(None, parts))
                )

    def test_a_long_document_is_cut_and_the_suffix_is_not(self):
        made = reference.make('AB2CD', 'S' * 100, 'XYZ234')
        self.assertEqual(len(made), 64)
        self.assertTrue(made.endswith('-XYZ234'))

    def test_prefix_and_suffix_that_are_not_allowed_are_refused(self):
        for prefix, suffix in (('A', 'B'), ('a_b', 'XYZ234'), ('x' * 40, 'y' * 40)):
            with self.subTest(prefix=prefix), self.assertRaises(ValueError):
                reference.make(prefix, '', suffix)

    def test_a_line_break_at_the_end_is_not_valid(self):
        self.assertFalse(reference.is_valid('AB2CD-S00042\n'))

    @given(st.lists(st.one_of(st.text(), st.integers()), max_size=5))
    def test_the_same_parts_have_the_same_short_key(self, parts):
        key = reference.idempotency_key(*parts)
        self.assertEqual(key, reference.idempotency_key(*parts))
        self.assertLessEqual(len(key), 50)

    def test_other_parts_have_another_key(self):
        parts = [
            ('uuid', 'ref', 'capture', 0, 100), ('uuid', 'ref', 'capture', 1, 100),
            ('uuid', 'ref', 'refund', 0, 100), ('uuid', 'ref', 'capture', 0, 1001),
            ('uuid', 'refc', 'apture', 0, 100), ('uuid', 'ref', 'capture', 0, 10, 0),
            ('uuid', 'ref', 'capture', '0', 100),
        ]
        self.assertEqual(len({reference.idempotency_key(*part) for part in parts}), len(parts))
