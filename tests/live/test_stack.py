"""The stack that the other tests of this layer build upon."""

from .shop import LiveTest


class TestStack(LiveTest):
    def test_the_login_page_is_served(self):
        page = self.new_browser().open('/web/login')
        self.assertEqual(page.status, 200)
        self.assertTrue(page.find(name='login'))

    def test_an_unsigned_webhook_is_refused_and_not_stored(self):
        before = self.rpc('vipps.webhook.event', 'search_count', [])
        answer = self.new_browser().open(
            f'/payment/vipps/webhook/{self.provider}', {'reference': 'forged'}
        )
        self.assertEqual(answer.status, 401)
        self.assertEqual(self.rpc('vipps.webhook.event', 'search_count', []), before)
