from ..payment import PROFILE_PERIOD
from ..sales_units import DKK_UNIT, NOK_UNIT
from .common import SimulatorCase


class TestUserinfo(SimulatorCase):

    def ask(self, sub, merchant=None, **headers):
        return (merchant or self.merchant).call(
            'GET', f'/vipps-userinfo-api/userinfo/{sub}', **headers
        )

    def share(self, scope):
        """Return who a customer is that shared something."""
        reference = self.merchant.authorized(profile={'scope': scope})
        return self.merchant.get(reference).json()['profile']['sub']

    def test_the_requested_profile_is_returned(self):
        self.assertEqual(self.ask(self.share('name')).json().keys(), {
            'sub', 'name', 'given_name', 'family_name',
        })
        self.assertEqual(self.ask(self.share('email phoneNumber')).json().keys(), {
            'sub', 'email', 'email_verified', 'phone_number',
        })
        address = self.ask(self.share('address birthDate')).json()['address']
        self.assertEqual(address['country'], 'NO')

    def test_a_customer_who_shared_nothing_is_not_known(self):
        self.assertEqual(self.ask('c06c4afe-d9e1-4c5d-939a-177d752a0944').status_code, 404)
        reference = self.merchant.create(profile={'scope': 'name'})
        self.simulator.decline(reference)
        self.assertEqual(self.merchant.get(reference).json()['profile'], {})

    def test_other_merchants_are_told_nothing(self):
        sub = self.share('name')
        self.assertEqual(self.ask(sub, self.as_merchant(DKK_UNIT)).status_code, 404)

    def test_it_is_told_for_a_week(self):
        sub = self.share('name')
        self.simulator.advance(PROFILE_PERIOD - 60)
        merchant = self.as_merchant(NOK_UNIT)  # With a new access token.
        self.assertEqual(self.ask(sub, merchant).status_code, 200)
        self.simulator.advance(60)
        answer = self.ask(sub, merchant)
        self.assertEqual((answer.status_code, answer.json()['detail']), (404, '[Expired]'))

    def test_the_subscription_key_may_be_left_out_but_not_be_wrong(self):
        sub = self.share('name')
        self.assertEqual(self.ask(sub, Ocp_Apim_Subscription_Key=None).status_code, 200)
        self.assertEqual(self.ask(sub, Ocp_Apim_Subscription_Key='wrong').status_code, 401)
        self.assertEqual(
            self.ask(sub, Ocp_Apim_Subscription_Key=DKK_UNIT.subscription_key).status_code, 401
        )
        self.assertEqual(self.ask(sub, Authorization=None).status_code, 401)

    def test_answers_can_be_edited(self):
        reference = self.merchant.authorized(profile={'scope': 'name email'})
        sub = self.merchant.get(reference).json()['profile']['sub']
        self.simulator.fault('get', 'edited', changes={'profile': {}, 'userDetails': None})
        payment = self.merchant.get(reference).json()
        self.assertEqual(payment['profile'], {})
        self.assertNotIn('userDetails', payment)
        self.simulator.fault('userinfo', 'edited', changes={'email': '', 'name': None})
        answer = self.ask(sub).json()
        self.assertEqual(answer['email'], '')
        self.assertNotIn('name', answer)
        self.assertEqual(self.ask(sub).json()['name'], "Kari Nordmann")

    def test_the_phone_shows_the_requested_profile(self):
        self.merchant.create(profile={'scope': 'name email'})
        page = self.merchant.session.get(f'{self.simulator.url}/phone', timeout=10).text
        self.assertIn("The shop asks for: name, email.", page)
