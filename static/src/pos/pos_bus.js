/** @odoo-module **/

import { patch } from "@web/core/utils/patch";
import { PosBus } from "@point_of_sale/app/bus/pos_bus_service";

patch(PosBus.prototype, {
    /**
     * Override to look at a payment at once when the server says that there is news of it.
     */
    dispatch(message) {
        super.dispatch(...arguments);
        if (message.type === "VIPPS_PAYMENT") {
            this.pos.env.services.vipps_attempts?.lookAtReference(message.payload.reference);
        }
    },
});
