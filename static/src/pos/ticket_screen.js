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
            if (line.is_vipps_open() || line.is_vipps_paid()) {
                await this.popup.add(ErrorPopup, {
                    title: _t("The order cannot be deleted"),
                    body: line.is_vipps_paid()
                        ? _t(
                              "The customer has paid it with %s. Finish the order, or give the money back first.",
                              line.payment_method.name
                          )
                        : _t(
                              "It is not known yet whether the customer has paid it with %s. Try again in a moment.",
                              line.payment_method.name
                          ),
                });
                return false;
            }
        }
        return super._onBeforeDeleteOrder(...arguments);
    },
});
