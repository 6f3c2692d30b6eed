/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { PosStore } from "@point_of_sale/app/store/pos_store";

const NOTIFICATION_TIME = 8000;

patch(PosStore.prototype, {
    /**
     * Override to also delete the draft that was saved only because the customer was asked to pay:
     * core leaves those of tills without shared orders on the server, where they prevent closing.
     * The server keeps those that somebody is paying. So does the till.
     */
    removeOrder(order, removeFromServer = true) {
        const isOpen = removeFromServer && !order.finalized && !order.locked;
        const line = isOpen && order.get_vipps_lines().find((line) => line.is_vipps_binding());
        if (line) {
            this.env.services.pos_notification.add(
                _t(
                    "%(order)s stays open: it is being paid or was paid with %(method)s.",
                    { order: order.name, method: line.payment_method.name }
                ),
                NOTIFICATION_TIME
            );
            return;
        }
        super.removeOrder(...arguments);
        if (
            removeFromServer &&
            order.server_id &&
            !order.finalized &&
            !order.locked &&
            !this.isOpenOrderShareable() &&
            this.payment_methods.some((method) => method.use_payment_terminal === "vipps") &&
            !order.get_paymentlines().some((line) => line.payment_method.is_online_payment)
        ) {
            this.setOrderToRemove(order);
        }
    },
    /**
     * Override to recognize an order whose draft was saved when the browser was closed before the
     * answer came: core would open it twice.
     */
    loadOpenOrders(openOrders) {
        for (const json of openOrders) {
            const order = this.orders.find((order) => order.name === json.name);
            if (order && !order.server_id) {
                order.server_id = json.id;
            }
        }
        return super.loadOpenOrders(...arguments);
    },
});
