/** @odoo-module **/

import paymentPostProcessing from '@payment/js/post_processing';

paymentPostProcessing.include({
    /**
     * Customers who have not paid are sent to the page that says why, and from there back to the
     * payment.
     *
     * @override method from `@payment/js/post_processing`
     * @param {string} providerCode - The code of the provider handling the transaction.
     */
    _getFinalStates(providerCode) {
        const finalStates = this._super(...arguments);
        if (providerCode === 'vipps') {
            finalStates.push('cancel', 'error');
        }
        return finalStates;
    },
});
