/** @odoo-module **/

import { patch } from "@web/core/utils/patch";
import { ClosePosPopup } from "@point_of_sale/app/navbar/closing_popup/closing_popup";
import { OpenPaymentsPopup } from "@mobilepay_vipps/pos/popups/open_payments_popup";

patch(ClosePosPopup.prototype, {
    /**
     * Override to let the cashier settle the payments that prevent closing.
     */
    async handleClosingError(response) {
        if (!response.vipps_attempts?.length) {
            return super.handleClosingError(...arguments);
        }
        await this.popup.add(OpenPaymentsPopup, { attempts: response.vipps_attempts });
    },
});
