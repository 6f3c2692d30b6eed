/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { useService } from "@web/core/utils/hooks";
import { TicketScreen } from "@point_of_sale/app/screens/ticket_screen/ticket_screen";
import { ErrorPopup } from "@point_of_sale/app/errors/popups/error_popup";

patch(TicketScreen.prototype, {
    setup() {
        super.setup(...arguments);
        this.vippsAttempts = useService("vipps_attempts");
    },
    /**
     * Override to delete no order that a customer is paying or has paid.
     */
    async _onBeforeDeleteOrder(order) {
        for (const line of order.get_vipps_lines()) {
            await this.vippsAttempts.cancel(line);
            if (line.is_vipps_binding()) {
                await this.popup.add(ErrorPopup, {
                    title: _t("The order cannot be deleted"),
                    body: this._explainVippsLine(line),
                });
                return false;
            }
        }
        return super._onBeforeDeleteOrder(...arguments);
    },
    _explainVippsLine(line) {
        const method = line.payment_method.name;
        if (!line.is_done()) {
            return _t(
                "It is not known yet whether it is paid or refunded with %s. Try again in a moment.",
                method
            );
        }
        return line.is_vipps_paid()
            ? _t("The customer has paid it with %s. Finish the order, or refund the payment.", method)
            : _t("It was refunded with %s. Finish the order.", method);
    },
});
