import re
import unittest

from hypothesis import given
from hypothesis import strategies as st

from .. import phone

COUNTRIES = st.one_of(
    st.none(), st.sampled_from(('NO', 'DK', 'FI', 'SE', 'DE')), st.text(max_size=3)
)


class TestPhone(unittest.TestCase):

    def test_numbers_as_people_type_them(self):
        for text, country, expected in (
            ('98 76 54 32', 'NO', '4798765432'),
            ('98765432', 'no', '4798765432'),
            ('+47 987 65 432', None, '4798765432'),
            ('0047 987-65-432', 'SE', '4798765432'),
            ('4798765432', 'NO', '4798765432'),
            ('+47 47 98 76 54 32', 'NO', '4798765432'),
            ('47 65 43 21', 'NO', '4747654321'),
            ('070-123 45 67', 'SE', '46701234567'),
            ('+46 (0)70 123 45 67', 'NO', '46701234567'),
            ('46701234567', 'SE', '46701234567'),
            ('12 34 56 78', 'DK', '4512345678'),
            ('040 123 4567', 'FI', '358401234567'),
            ('+358 (0)40/1234567', None, '358401234567'),
            ('358401234567', 'FI', '358401234567'),
            ('+46 46 123 45 67', 'NO', '46461234567'),
            ('+49 (0)151 23456789', 'NO', '4915123456789'),
            ('0044 7911 123456', 'DE', '447911123456'),
            ('+1 (202) 555-0143', None, '12025550143'),
            ('98−76−54−32', 'NO', '4798765432'),
            ('\u200e+47\u00a0987\u00a065\u00a0432', 'SE', '4798765432'),
            ('＋４７９８７６５４３２', None, '4798765432'),
        ):
            with self.subTest(text=text, country=country):
                self.assertEqual(phone.normalize(text, country), expected)

    def test_texts_that_are_no_numbers_are_dropped(self):
        for text, country in (
            ('', 'NO'), (None, None), ('ring me', 'NO'), ('987654', 'NO'), ('987654321', 'NO'),
            ('98765432', None), ('98765432', 'ZZ'), ('+47', 'NO'), ('+0 98765432', 'NO'),
            ('+4798765432 ext. 5', 'NO'), ('+47 0987 6543', 'NO'), ('0151 23456789', 'DE'),
            ('1' * 20, 'SE'), ('+' + '1' * 20, 'SE'), ('070-12', 'SE'), ('040 123 4567 8901', 'FI'),
        ):
            with self.subTest(text=text, country=country):
                self.assertIsNone(phone.normalize(text, country))

    @given(st.one_of(st.text(), st.from_regex(r'\+?[\d ()-]{0,20}', fullmatch=True)), COUNTRIES)
    def test_any_text_is_a_number_or_none(self, text, country):
        number = phone.normalize(text, country)
        if number is not None:
            self.assertTrue(re.fullmatch(r'\d{9,15}', number))
            self.assertEqual(phone.normalize(f'+{number}', country), number)
