/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { ConnectionLostError } from "@web/core/network/rpc_service";
import { delay } from "@web/core/utils/concurrency";
import { floatIsZero } from "@web/core/utils/numbers";
import { ErrorPopup } from "@point_of_sale/app/errors/popups/error_popup";
import { ConfirmPopup } from "@point_of_sale/app/utils/confirm_popup/confirm_popup";
import { AttemptFollower, OPEN_STATES } from "@mobilepay_vipps/pos/attempt_follower";
import { askForInput } from "@mobilepay_vipps/pos/customer_input";
import { openPopup } from "@mobilepay_vipps/pos/popups/focus";
import { QrPopup } from "@mobilepay_vipps/pos/popups/qr_popup";

// An order that was changed cancels again after this time, if nobody knows whether that worked.
const RECALL_INTERVAL = 15000;

/**
 * Asks the server to take payments, to cancel them and to refund them.
 */
export class VippsAttempts extends AttemptFollower {
    static serviceDependencies = [
        "pos",
        "orm",
        "popup",
        "pos_notification",
        "sound",
        "barcode_reader",
    ];

    constructor(env, { popup, barcode_reader }) {
        super(...arguments);
        this.popup = popup;
        this.codeTaker = null;
        this.scanned = null; // The last code of a customer, while its order is paid.
        this.isAsking = false;
        if (barcode_reader) {
            barcode_reader.takeCustomerCode = (code) => this.takeCode(code);
        }
    }

    //#region Asking for a payment

    /**
     * Ask the customer to pay a line, or refund it if its amount is negative. An attempt in
     * another way is cancelled first, and the new one is only made if that came to nothing.
     *
     * @param {Object} line
     * @param {string} [flow] - the key of one of `getFlows`, for payments
     */
    async ask(line, flow) {
        this.pos.numberBuffer.capture();
        if (this.isAsking || this.operations.has(line.vipps_uuid)) {
            return;
        }
        this.isAsking = true;
        let input;
        try {
            input = await askForInput(this, line, flow);
        } finally {
            this.isAsking = false;
        }
        if (flow === "code") {
            this.scanned = input && { ...input, uuid: line.vipps_uuid };
        }
        if (input) {
            await this._operate(line, "ask", (line) => this._ask(line, flow, input));
        }
    }
    /**
     * Return what is wrong with a phone number, as a sentence; empty if it can be used.
     */
    async checkPhone(phone) {
        try {
            await this._call("vipps_check_phone", phone);
            return "";
        } catch (error) {
            return this.getSentence(error);
        }
    }
    async _ask(line, flow = false, { phone = false, code = false }) {
        if (line.is_done() || (line.is_vipps_open() && !(await this._cancel(line)))) {
            return;
        }
        const { order } = line;
        const create = () =>
            this._call("vipps_create_attempt", order.server_id, line.vipps_uuid, flow, phone);
        line.vipps_status = { phone };
        line.set_payment_status("waiting");
        let status;
        try {
            await this._saveOrder(order);
            status = await create();
            if (this._isOtherAttempt(line, status, flow)) {
                this.apply(status);
                if (!(await this._cancel(line))) {
                    return;
                }
                status = await create();
            }
        } catch (error) {
            this._refuse(line, error);
            await this.resume(order); // Somebody else may have asked, or been paid.
            return;
        }
        if (!OPEN_STATES.includes(status.state)) {
            this.apply(status);
            return;
        }
        line.vipps_reference = status.reference;
        await this._begin(line, () =>
            flow === "sticker"
                ? this.startByCheckIn(status.reference)
                : this._call("vipps_start_attempt", status.reference, code)
        );
        if (line.vipps_status.state === "waiting" && flow === "qr") {
            this.showQr(line);
        }
    }
    /**
     * Return whether an attempt is one that was stored before, whose answer was lost, and that is
     * not what is wanted now.
     */
    _isOtherAttempt(line, status, flow) {
        return (
            line.amount > 0 &&
            OPEN_STATES.includes(status.state) &&
            (status.flow !== flow ||
                !floatIsZero(status.amount - line.amount, this.pos.currency.decimal_places))
        );
    }
    /**
     * Start an attempt. If the answer is lost, nobody knows whether it is started: it is started
     * again, which the server does only once, until its state is known.
     */
    async _begin(line, run) {
        const start = { run, next: 0 };
        this.starts.set(line.vipps_uuid, start);
        try {
            this.apply(await this._start(start));
        } catch (error) {
            line.set_payment_status("waitingCard");
            if (!this._isRefusal(error)) {
                this._tellFailure(line, error);
                return;
            }
            this.starts.delete(line.vipps_uuid);
            if (await this._cancel(line)) {
                this._refuse(line, error);
            }
        }
    }
    /**
     * Save an order as a draft with all its lines, from which the server takes what is to be paid.
     */
    async _saveOrder(order) {
        // Later releases of core skip an order that is being saved, and say nothing.
        while (this.pos.syncingOrders?.has(order.uid)) {
            await delay(50);
        }
        await this.pos._save_to_server([{ id: order.uid, data: order.export_as_JSON() }], {
            draft: true,
        });
    }
    /**
     * Report that nothing was started.
     */
    _refuse(line, error) {
        line.set_payment_status("retry");
        line.vipps_status.message =
            error instanceof ConnectionLostError
                ? _t(
                      "No internet connection. %s needs one; nothing was started. Try again later, or use another payment method.",
                      line.payment_method.name
                  )
                : this.getSentence(error);
    }
    showQr(line) {
        if (line.order.uid === this.pos.get_order()?.uid) {
            openPopup(this.popup, QrPopup, { line });
        }
    }

    //#endregion
    //#region Customers' codes

    /**
     * Take what the scanner reads if it is a customer's code: while one is waited for, and when
     * the scanner reads it once more.
     *
     * @param {string} code
     * @returns {boolean} whether nobody else may see it
     */
    takeCode(code) {
        if (this.codeTaker) {
            this.codeTaker(code);
            return true;
        }
        return this.scanned?.code === code;
    }

    /**
     * @override to cancel what an order is not worth anymore, and to forget the code of a customer
     * as soon as it is of no use.
     */
    lookAtOpenLines() {
        this.getLines()
            .filter((line) => this._isAskedForTooMuch(line))
            .forEach((line) => this._recall(line));
        super.lookAtOpenLines(...arguments);
        if (this.scanned && this.findLine(this.scanned.uuid)?.is_done() !== false) {
            this.scanned = null;
        }
    }

    //#endregion
    //#region Cancelling and refunding

    /**
     * Cancel an attempt that the customer has not approved.
     *
     * @param {Object} line
     * @returns {Promise<boolean>} whether it came to nothing; if not, it may be paid
     */
    cancel(line) {
        return this._operate(line, "cancel", (line) => this._cancel(line));
    }
    async _cancel(line) {
        if (!line.is_vipps_open()) {
            return !line.is_done();
        }
        const status = line.payment_status;
        line.set_payment_status("waitingCancel");
        try {
            if (!line.vipps_reference) {
                await this._findReference(line);
            }
            if (line.vipps_reference) {
                this.apply(await this._call("vipps_cancel_attempt", line.vipps_reference));
            }
        } catch (error) {
            line.set_payment_status(line.vipps_reference ? "waitingCard" : status);
            this._tellFailure(line, error);
        }
        line.vipps_status.is_cancel_unknown = line.is_vipps_open();
        return !line.is_vipps_open() && !line.is_done();
    }
    /**
     * Return whether the customer is asked for more than the order is worth: products were removed.
     */
    _isAskedForTooMuch(line) {
        const { config, cash_rounding, currency } = this.pos;
        const tolerance = config.cash_rounding ? cash_rounding[0].rounding : 0;
        const surplus = line.amount - line.order.get_total_with_tax() - tolerance;
        return (
            line.is_vipps_open() &&
            surplus > currency.rounding / 2 &&
            !this.operations.has(line.vipps_uuid) &&
            Date.now() >= (line.vipps_status.next_recall || 0)
        );
    }
    /**
     * Cancel what the customer is asked for by an order that has changed, or let the cashier deal
     * with it if the customer has paid at that moment.
     */
    async _recall(line) {
        const { order, vipps_uuid: uuid } = line;
        line.vipps_status.next_recall = Date.now() + RECALL_INTERVAL;
        await this.cancel(line);
        line = this.findLine(uuid);
        if (line?.is_vipps_idle()) {
            line.vipps_status.message = _t(
                "The order has changed, so the payment was cancelled. Nothing was charged."
            );
        }
        if (!line?.is_vipps_paid()) {
            return;
        }
        const { confirmed } = await this.popup.add(ConfirmPopup, {
            title: _t("The customer has just paid"),
            body: _t(
                "%(amount)s was paid with %(method)s, which is more than the order is worth now. Refund the payment, or add the products again.",
                {
                    amount: this.env.utils.formatCurrency(line.amount),
                    method: line.payment_method.name,
                }
            ),
            confirmText: _t("Show the payment"),
            cancelText: _t("Close"),
            confirmKey: false,
        });
        if (confirmed && this.pos.get_order()?.uid === order.uid) {
            this.pos.showScreen("PaymentScreen");
        }
    }
    async _findReference(line) {
        const statuses = await this._listAttempts(line.order);
        const status = statuses.find((status) => status.uuid === line.vipps_uuid);
        if (status) {
            line.vipps_reference = status.reference;
        } else {
            line.set_payment_status("retry");
        }
    }
    /**
     * Refund what was paid for an order that is not finished.
     *
     * @param {Object} line
     * @returns {Promise<boolean>} whether it was refunded
     */
    async undo(line) {
        if (this.isAsking || !(await this.confirmGivingBack(line.amount))) {
            return false;
        }
        return this._operate(line, "undo", async (line) => {
            line.set_payment_status("reversing");
            try {
                this.apply(await this._call("vipps_undo_attempt", line.vipps_reference));
            } catch (error) {
                // The next look shows whether it was refunded all the same.
                line.set_payment_status("waitingCard");
                this._tellFailure(line, error);
                this.popup.add(ErrorPopup, {
                    title: _t("Not known yet whether the payment is refunded"),
                    body: this.getSentence(error),
                });
            }
            return line.vipps_status.state === "returned";
        });
    }
    async confirmGivingBack(amount) {
        this.isAsking = true;
        const { confirmed } = await this.popup.add(ConfirmPopup, {
            title: _t("Refund the payment?"),
            body: _t(
                "The customer gets %s back. That cannot be undone.",
                this.env.utils.formatCurrency(amount)
            ),
            confirmText: _t("Refund"),
            confirmKey: false,
        });
        this.isAsking = false;
        return confirmed;
    }
    /**
     * Stop following an attempt, of which nobody knows what becomes of it.
     */
    giveUp(line) {
        this.starts.delete(line.vipps_uuid);
        line.vipps_reference = "";
        line.set_payment_status("retry");
    }
    /**
     * Settle a payment that prevents closing the session, and show that in its order, too.
     *
     * @param {string} method - the method of the server
     * @param {string} reference
     * @returns {Promise<Object>} the status
     */
    async settle(method, reference) {
        const status = await this._call(method, reference);
        this.apply(status);
        const order = this.findOrder(status.order);
        if (method === "vipps_attach_attempt" && status.is_attached && order) {
            this.pos.removeOrder(order, false);
            if (this.pos.get_order()?.uid === order.uid) {
                this.pos.selectNextOrder();
                this.pos.closeScreen();
            }
        }
        return status;
    }

    /**
     * Do one thing at a time with a line; doing the same twice is doing it once.
     */
    _operate(line, name, operation) {
        const uuid = line.vipps_uuid;
        const running = this.operations.get(uuid);
        if (running?.name === name) {
            return running.promise;
        }
        const current = { name };
        current.promise = (async () => {
            await running?.promise;
            const line = this.findLine(uuid);
            return line ? operation(line) : false;
        })().finally(() => {
            if (this.operations.get(uuid) === current) {
                this.operations.delete(uuid);
            }
        });
        this.operations.set(uuid, current);
        return current.promise;
    }
    //#endregion
}

registry.category("services").add("vipps_attempts", {
    dependencies: VippsAttempts.serviceDependencies,
    start(env, services) {
        return new VippsAttempts(env, services);
    },
});
