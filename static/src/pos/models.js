/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";
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
     * Return whether the customer may be paying this line, or may have paid it.
     */
    is_vipps_open() {
        return (
            this.is_vipps() &&
            !this.is_done() &&
            Boolean(this.vipps_reference || OPEN_STATUSES.includes(this.payment_status))
        );
    },
    /**
     * Return whether nothing is asked of the customer, and nothing was paid or refunded.
     */
    is_vipps_idle() {
        return this.is_vipps() && !this.is_done() && !this.is_vipps_open();
    },
    /**
     * Return whether it is not known how the payment stands, so that the cashier may have to take
     * the money in another way.
     */
    is_vipps_in_doubt() {
        const { state, is_offline, is_cancel_unknown } = this.vipps_status;
        return (
            this.is_vipps_open() &&
            this.amount > 0 &&
            this.payment_status === "waitingCard" &&
            Boolean(is_offline || is_cancel_unknown || !["waiting", "scan"].includes(state))
        );
    },
    /**
     * Return whether the line stands for money that a customer has paid.
     */
    is_vipps_paid() {
        return this.is_vipps() && this.payment_status === "done" && this.amount > 0;
    },
    /**
     * Return whether the order cannot go away: money has moved for it, or may be moving.
     */
    is_vipps_binding() {
        return this.is_vipps() && (this.is_done() || this.is_vipps_open());
    },
    /**
     * Return the name of the customer's app.
     */
    get_vipps_app() {
        return this.payment_method.vipps_brand_id?.[1] || this.payment_method.name;
    },
    /**
     * Return what the customer reads on the customer display while the payment waits.
     */
    get_vipps_instruction() {
        if (this.vipps_status.state === "scan") {
            return _t("Scan the sticker with the %s app", this.get_vipps_app());
        }
        return this.vipps_status.flow === "qr"
            ? _t("Scan the code in the %s app", this.get_vipps_app())
            : _t("Approve in the %s app", this.get_vipps_app());
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
    /**
     * Override to let cashiers take another payment method as soon as nothing of ours is certain to
     * be going on.
     */
    electronic_payment_in_progress() {
        const lines = this.get_paymentlines().filter(
            (line) => line.is_electronic() && !line.is_done()
        );
        const isFree = lines.every((line) => line.is_vipps_idle() || line.is_vipps_in_doubt());
        return !(lines.length && isFree) && super.electronic_payment_in_progress(...arguments);
    },
    /**
     * Override to have the new line take the place of those that nobody is paying. The same method
     * goes on with what the server may know already.
     */
    add_paymentline(method) {
        const idleLines = this.get_vipps_lines().filter((line) => line.is_vipps_idle());
        if (!this.electronic_payment_in_progress()) {
            idleLines.forEach((line) => this.remove_paymentline(line));
        }
        const newLine = super.add_paymentline(...arguments);
        const former = idleLines.find((line) => line.payment_method === method);
        if (newLine && former) {
            newLine.vipps_uuid = former.vipps_uuid;
        }
        return newLine;
    },
    /**
     * Override to let cashiers see, cancel and refund payments of an order that was emptied.
     */
    canPay() {
        return (
            super.canPay(...arguments) ||
            this.get_vipps_lines().some((line) => line.is_vipps_binding())
        );
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
                line.amount > 0 &&
                (line.is_done() || ["waiting", "scan"].includes(line.vipps_status.state))
        );
    },
});
