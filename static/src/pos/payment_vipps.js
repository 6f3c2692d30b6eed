/** @odoo-module **/

import { delay } from "@web/core/utils/concurrency";
import { PaymentInterface } from "@point_of_sale/app/payment/payment_interface";
import { register_payment_method } from "@point_of_sale/app/store/pos_store";
import { getFlows } from "@mobilepay_vipps/pos/flows";

const DECISION_INTERVAL = 200;

/**
 * What core asks of a payment terminal. The attempts themselves are held by the server, and
 * followed by the service `vipps_attempts`, for all methods and orders.
 */
export class PaymentVipps extends PaymentInterface {
    setup() {
        super.setup(...arguments);
        this.enable_reversals();
    }
    get attempts() {
        return this.env.services.vipps_attempts;
    }
    /**
     * @override
     */
    async send_payment_request(cid) {
        const line = this._findLine(cid);
        await this.attempts.ask(line, getFlows(line)[0]?.key);
        while (this._findLine(cid)?.is_vipps_open()) {
            await delay(DECISION_INTERVAL);
        }
        return Boolean(this._findLine(cid)?.is_done());
    }
    /**
     * @override
     */
    async send_payment_cancel(order, cid) {
        return this.attempts.cancel(this._findLine(cid));
    }
    /**
     * @override
     */
    async send_payment_reversal(cid) {
        return this.attempts.undo(this._findLine(cid));
    }
    _findLine(cid) {
        return this.attempts.getLines().find((line) => line.cid === cid);
    }
}

register_payment_method("vipps", PaymentVipps);
