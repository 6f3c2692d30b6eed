import unittest

from hypothesis import given
from hypothesis import strategies as st

from ..user_info import SCOPES, keep_scopes, parse_user_details, parse_userinfo
from .test_payment import JSON

USER_DETAILS = {
    'email': 'ada@example.com', 'firstName': "Ada", 'lastName': "Lovelace",
    'mobileNumber': '4798765432', 'dateOfBirth': '1990-12-10',
    'addresses': [{
        'addressLine1': "Robert Levins gate 5", 'addressLine2': "H0203", 'city': "Oslo",
        'country': 'NO', 'postCode': '0154',
    }],
}
USERINFO = {
    'sub': 'c06c4afe-d9e1-4c5d-939a-177d752a0944', 'name': "Ada Lovelace", 'given_name': "Ada",
    'family_name': "Lovelace", 'birthdate': '1990-12-10', 'email': 'ada@example.com',
    'email_verified': True, 'phone_number': '4798765432', 'nin': '10129012345',
    'address': {
        'address_type': 'home', 'country': 'NO', 'postal_code': '0154', 'region': "Oslo",
        'street_address': "Robert Levins gate 5\nH0203", 'formatted': "...",
    },
    'other_addresses': [{'country': 'SE'}],
}
DETAILS = {
    'name': "Ada Lovelace", 'email': 'ada@example.com', 'phone': '+4798765432',
    'street': "Robert Levins gate 5", 'street2': "H0203", 'zip': '0154', 'city': "Oslo",
    'country': 'NO',
}


class TestUserInfo(unittest.TestCase):

    def test_both_answers_say_the_same(self):
        self.assertEqual(parse_user_details(USER_DETAILS), DETAILS)
        self.assertEqual(parse_userinfo(USERINFO), {**DETAILS, 'email_verified': True})

    def test_only_a_clear_yes_verifies_an_email_address(self):
        for value in (False, None, 'true', 1, []):
            with self.subTest(value=value):
                details = parse_userinfo({**USERINFO, 'email_verified': value})
                self.assertIs(details['email_verified'], False)
        self.assertNotIn('email_verified', parse_userinfo({**USERINFO, 'email': ''}))
        self.assertNotIn('email_verified', parse_user_details({
            **USER_DETAILS, 'email_verified': True,
        }))

    def test_data_that_were_not_asked_for_are_dropped(self):
        everything = parse_userinfo(USERINFO)
        self.assertEqual(keep_scopes(everything, SCOPES), everything)
        self.assertEqual(keep_scopes(everything, ['name']), {'name': "Ada Lovelace"})
        self.assertEqual(
            keep_scopes(everything, ['phoneNumber', 'nin']), {'phone': '+4798765432'}
        )
        self.assertEqual(keep_scopes(everything, []), {})
        self.assertNotIn('1990', str(everything))
        self.assertNotIn(USERINFO['nin'], str(everything))

    def test_an_address_of_empty_texts_is_none(self):
        empty = dict.fromkeys(USERINFO['address'], '')
        self.assertNotIn('country', parse_userinfo({'address': empty}))
        self.assertEqual(parse_userinfo({'address': {**empty, 'country': 'NO'}}), {})
        empty = dict.fromkeys(USER_DETAILS['addresses'][0], '')
        self.assertEqual(
            parse_user_details({**USER_DETAILS, 'addresses': [empty, *USER_DETAILS['addresses']]}),
            DETAILS,
        )

    def test_values_that_make_no_sense_are_left_out(self):
        for name, values in {
            'email': ('', 'ada', 'a b@example.com', '@', 'x' * 300 + '@example.com', 7, None),
            'phone_number': ('', '123', 'ada', '4' * 16, '٤٧٩٨٧٦٥٤٣٢', 4798765432),
            'name': ('', '  ', 'x' * 256, 'A\x00da', '\ud800', 7, ["Ada"]),
            'address': ('', 7, [], {'street_address': 7, 'region': ["Oslo"]}),
        }.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    self.assertEqual(parse_userinfo({name: value}), {})

    def test_the_name_may_be_in_parts(self):
        self.assertEqual(parse_userinfo({'given_name': "Ada"}), {'name': "Ada"})
        self.assertEqual(parse_user_details({'lastName': "Lovelace"}), {'name': "Lovelace"})

    def test_spaces_do_not_matter(self):
        self.assertEqual(
            parse_userinfo({'name': "Ada\xa0 Lovelace\n", 'phone_number': '+47 98 76 54 32'}),
            {'name': "Ada Lovelace", 'phone': '+4798765432'},
        )

    @given(JSON, st.sampled_from(sorted(USERINFO)), st.sampled_from(sorted(USER_DETAILS)))
    def test_every_value_can_be_stored(self, value, name, payment_name):
        for details in (
            parse_userinfo(value), parse_userinfo({**USERINFO, name: value}),
            parse_userinfo({**USERINFO, 'address': {**USERINFO['address'], 'region': value}}),
            parse_user_details(value), parse_user_details({**USER_DETAILS, payment_name: value}),
            parse_user_details({'addresses': [value]}),
        ):
            for detail in details.values():
                self.assertTrue(isinstance(detail, bool) or 0 < len(detail) < 256, detail)
                str(detail).encode()
                self.assertNotIn('\0', str(detail))
