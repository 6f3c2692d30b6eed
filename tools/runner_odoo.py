"""Run `odoo-bin` of the source tree in the first argument, reporting tests when asked to."""

import gc
import os
import sys
from pathlib import Path
from unittest.mock import patch

ROOT = str(Path(__file__).resolve().parent.parent)

TOUR_TAG = 'vipps_tour'
# What the browser loads. Before tests Odoo makes everything that any page could load: half a minute
# for its editors and its own tests.
BUNDLES = {
    'point_of_sale.assets_prod',
    'web.__assets_tests_call__',
    'web.assets_frontend',
    'web.assets_frontend_lazy',
    'web.assets_frontend_minimal',
    'web.assets_tests',
    'web.assets_web',
}


def report_tests():
    """Have Odoo's test results written as events, and its tests filtered by our pattern."""
    sys.path.insert(0, ROOT)
    from tools import events
    sys.path.remove(ROOT)
    from odoo.tests.result import OdooTestResult
    from odoo.tests.suite import OdooSuite
    from odoo.tests.tag_selector import TagsSelector

    events.write_end()

    class Reporting(OdooTestResult):
        """Odoo's result, which writes events; Odoo may run a failed test again (`_soft_fail`)."""

        def startTest(self, test):
            events.write_event(events.STARTED, test.id())
            super().startTest(test)

        def addSuccess(self, test):
            events.write_event(events.PASSED, test.id())
            super().addSuccess(test)

        def addSkip(self, test, reason):
            events.write_event(events.SKIPPED, test.id(), reason)
            super().addSkip(test, reason)

        def logError(self, flavour, test, error):
            if not self._soft_fail:
                events.write_event(events.FAILED, test.id(), self._exc_info_to_string(error, test))
            super().logError(flavour, test, error)

    check = TagsSelector.check
    TagsSelector.check = lambda self, test: check(self, test) and events.is_wanted(test.id())

    run = OdooSuite.run

    def run_claimed(self, *args, **kwargs):
        # What Odoo has loaded is no garbage: do not look at it again and again.
        gc.collect()
        gc.freeze()
        self._tests = events.claimed(self._tests)
        return run(self, *args, **kwargs)

    OdooSuite.run = run_claimed
    return Reporting


def make_only_our_bundles():
    """Have Odoo make assets in advance only if there are tours, and only those that they need;
    others are made when asked for."""
    from odoo.tests.suite import OdooSuite

    from odoo.addons.base.models.ir_qweb import IrQWeb

    make_bundles = IrQWeb._pregenerate_assets_bundles

    def make_ours(self):
        model = type(self)  # with the bundles that other addons want
        get_bundles = model._get_bundles_to_pregenarate
        with patch.object(model, '_get_bundles_to_pregenarate', lambda self: tuple(
            bundles & BUNDLES for bundles in get_bundles(self)
        )):
            return make_bundles(self)

    IrQWeb._pregenerate_assets_bundles = make_ours
    OdooSuite.has_http_case = lambda self: any(TOUR_TAG in test.test_tags for test in self)


def main():
    """Become `odoo-bin`."""
    source = sys.argv.pop(1)
    sys.path[0] = source
    sys.argv[0] = os.path.join(source, 'odoo-bin')
    os.environ['TZ'] = 'UTC'  # as odoo-bin does, before the time module reads it
    import odoo
    if os.environ.get('VIPPS_TEST_EVENTS'):
        import odoo.tests.loader
        import odoo.tests.result
        reporting = report_tests()
        odoo.tests.loader.OdooTestResult = reporting
        odoo.tests.result.OdooTestResult = reporting
        make_only_our_bundles()
    odoo.cli.main()


if __name__ == '__main__':
    main()
