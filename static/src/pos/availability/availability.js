/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { PosBus } from "@point_of_sale/app/bus/pos_bus_service";

const NOTIFICATION_TIME = 8000;

patch(PosBus.prototype, {
    /**
     * Override to inform the cashier that a payment method does not answer just now, or does again.
     * It is still there: the cashier may try.
     */
    dispatch(message) {
        super.dispatch(...arguments);
        if (message.type !== "VIPPS_AVAILABILITY") {
            return;
        }
        const { method_ids, is_available } = message.payload;
        for (const method of this.pos.payment_methods) {
            if (method_ids.includes(method.id) && method.vipps_is_paused === is_available) {
                method.vipps_is_paused = !is_available;
                this.pos.env.services.pos_notification.add(
                    is_available
                        ? _t("%s responds again.", method.name)
                        : _t(
                              "%s is not responding. Try again or use another payment method.",
                              method.name
                          ),
                    NOTIFICATION_TIME
                );
            }
        }
    },
});
