# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from contextlib import contextmanager
from unittest.mock import patch

from odoo.tests.common import ChromeBrowser

# What the customer does at Vipps MobilePay: one click on each page, told by a selector.
APPROVE = ['a[name="open_app"]', 'button[name="approve"]', 'a.o_sim_return']
ABORT = ['button[name="cancel"]']

# A tour lives in the pages of Odoo only; the browser itself clicks on those of the simulator.
CLICK_SCRIPT = """
    if (location.origin === %(origin)s) {
        addEventListener('DOMContentLoaded', () => {
            const step = Number(sessionStorage.step || 0);
            sessionStorage.step = step + 1;
            document.querySelector(%(selectors)s[step]).click();
        });
    }
"""


@contextmanager
def clicking(simulator, selectors):
    """ Let the browser of a tour click on the pages of Vipps MobilePay.

    :param simulator: The simulator.
    :param list[str] selectors: What is clicked.
    """
    script = CLICK_SCRIPT % {
        'origin': json.dumps(simulator.url), 'selectors': json.dumps(selectors),
    }
    navigate_to = ChromeBrowser.navigate_to

    def prepare_and_navigate_to(browser, *args, **kwargs):
        browser._websocket_request(
            'Page.addScriptToEvaluateOnNewDocument', params={'source': script}
        )
        return navigate_to(browser, *args, **kwargs)

    with patch.object(ChromeBrowser, 'navigate_to', prepare_and_navigate_to):
        yield
