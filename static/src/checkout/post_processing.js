/** @odoo-module **/

import paymentPostProcessing from '@payment/js/post_processing';

// After this many polls, about ten seconds, the customer goes on without the order's confirmation.
const MAX_POLLS_FOR_ORDER = 4;

paymentPostProcessing.include({
    /**
     * Remember whether the order is still being confirmed.
     *
     * @override method from `@payment/js/post_processing`
     * @param {string} xmlid - The template.
     * @param {object} values - What the server says of the payment.
     */
    _renderTemplate(xmlid, values = {}) {
        this.vippsIsConfirming = values.vipps_is_confirming;
        if (values.provider_code === 'vipps' && this.vippsIsShown) {
            this.call('ui', 'block'); // Core unblocks the page with each poll, and warns of it.
        }
        this.vippsIsShown = true;
        return this._super(...arguments);
    },

    /**
     * Customers who have not paid are sent to the page that says why, and from there back to the
     * payment. Those who have paid see that, and go on as soon as their order is confirmed.
     *
     * @override method from `@payment/js/post_processing`
     * @param {string} providerCode - The code of the provider handling the transaction.
     */
    _getFinalStates(providerCode) {
        const finalStates = this._super(...arguments);
        if (providerCode !== 'vipps') {
            return finalStates;
        }
        if (this.vippsIsConfirming && this.pollCount < MAX_POLLS_FOR_ORDER) {
            return [];
        }
        return [...finalStates, 'cancel', 'error'];
    },
});
