/** @odoo-module **/

import { patch } from "@web/core/utils/patch";
import { Order, Payment } from "@point_of_sale/app/store/models";
import { uuidv4 } from "@point_of_sale/utils";

// Statuses of a line whose attempt is not decided, also after its answer was lost by a reload.
const OPEN_STATUSES = ["waiting", "waitingCard", "waitingCancel"];

patch(Payment.prototype, {
    /**
     * Override to give the line the key by which the server knows its attempts, for ever, and a
     * place for what the server last said of it, which is not stored.
     */
    setup() {
        super.setup(...arguments);
        if (this.is_vipps()) {
            this.vipps_uuid ||= uuidv4();
            this.vipps_reference ||= "";
            this.vipps_status = {};
        }
    },
    init_from_JSON(json) {
        super.init_from_JSON(...arguments);
        this.vipps_uuid = json.vipps_uuid;
        this.vipps_reference = json.vipps_reference;
    },
    export_as_JSON() {
        const json = super.export_as_JSON(...arguments);
        if (this.is_vipps()) {
            json.vipps_uuid = this.vipps_uuid;
            json.vipps_reference = this.vipps_reference;
        }
        return json;
    },
    is_vipps() {
        return this.payment_method.use_payment_terminal === "vipps";
    },
    /**
     * Tell whether the customer may be paying this line, or may have paid it.
     */
    is_vipps_open() {
        return (
            this.is_vipps() &&
            !this.is_done() &&
            Boolean(this.vipps_reference || OPEN_STATUSES.includes(this.payment_status))
        );
    },
    /**
     * Tell whether the line stands for money that a customer has paid.
     */
    is_vipps_paid() {
        return this.is_vipps() && this.payment_status === "done" && this.amount > 0;
    },
});

patch(Order.prototype, {
    /**
     * Override to keep a line that a customer may be paying, whoever wants to remove it.
     */
    remove_paymentline(line) {
        if (!line.is_vipps_open()) {
            super.remove_paymentline(...arguments);
        }
    },
    get_vipps_lines() {
        return this.get_paymentlines().filter((line) => line.is_vipps());
    },
    /**
     * Return the line that the customer display shows while the customer pays.
     */
    get_vipps_display_line() {
        if (this.get_current_screen_data().name !== "PaymentScreen") {
            return undefined;
        }
        return this.get_vipps_lines().findLast(
            (line) =>
                line.amount > 0 && (line.is_done() || line.vipps_status.state === "waiting")
        );
    },
});
