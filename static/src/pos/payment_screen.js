/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { floatIsZero } from "@web/core/utils/numbers";
import { useBus, useService } from "@web/core/utils/hooks";
import { PaymentScreen } from "@point_of_sale/app/screens/payment_screen/payment_screen";
import { ErrorPopup } from "@point_of_sale/app/errors/popups/error_popup";
import { ConfirmPopup } from "@point_of_sale/app/utils/confirm_popup/confirm_popup";

patch(PaymentScreen.prototype, {
    setup() {
        super.setup(...arguments);
        this.vippsAttempts = useService("vipps_attempts");
        useBus(this.vippsAttempts.bus, "done", ({ detail }) => this._onVippsDone(detail.order));
    },
    /**
     * Override to add no second line to an order whose payment is under way or made, where there is
     * only one payment method, and to show what the server knows of the order.
     */
    onMounted() {
        if (!this.currentOrder.get_vipps_lines().some((line) => line.is_vipps_binding())) {
            super.onMounted(...arguments);
        }
        this.vippsAttempts.resume(this.currentOrder);
    },
    /**
     * Override to show the icon of the app on methods without a picture.
     */
    paymentMethodImage(id) {
        const method = this.pos.payment_methods_by_id[id];
        return this.hasVippsIcon(method)
            ? `/web/image/payment.method/${method.vipps_brand_id[0]}/image`
            : super.paymentMethodImage(...arguments);
    },
    hasVippsIcon(method) {
        return method.use_payment_terminal === "vipps" && !method.image && method.vipps_brand_id;
    },
    /**
     * Finish the order that was paid, as core does after other terminals, if it is still this one.
     */
    _onVippsDone(order) {
        if (
            this.pos.config.auto_validate_terminal_payment &&
            order.uid === this.currentOrder.uid &&
            order.is_paid() &&
            floatIsZero(order.get_due(), this.pos.currency.decimal_places)
        ) {
            this.validateOrder(false);
        }
    },
    /**
     * Override to say what is in progress, and what to do about it.
     */
    addNewPaymentLine(method) {
        const isVipps = method.use_payment_terminal === "vipps";
        const line = this.currentOrder
            .get_vipps_lines()
            .find((line) => line.is_vipps_open() && (isVipps || !line.is_vipps_in_doubt()));
        if (!line) {
            return super.addNewPaymentLine(...arguments);
        }
        if (line.amount < 0 || line.is_vipps_in_doubt()) {
            this._tellVippsLineIsUnknown(line);
        } else {
            this.popup.add(ErrorPopup, {
                title: _t("The customer is being asked to pay"),
                body: _t(
                    "Cancel the payment of %(amount)s with %(method)s first, or wait for the customer.",
                    this._describeVippsLine(line)
                ),
            });
        }
        return false;
    },
    /**
     * Override to keep the amount of what a customer is paying or has paid.
     */
    updateSelectedPaymentline() {
        const line = this.selectedPaymentLine;
        if (!line?.is_vipps() || ["pending", "retry"].includes(line.payment_status)) {
            super.updateSelectedPaymentline(...arguments);
        }
    },
    /**
     * Override to cancel what a customer may be paying, and to remove it only if that came to
     * nothing: core removes the line whatever the answer is.
     */
    deletePaymentLine(cid) {
        const line = this.paymentLines.find((line) => line.cid === cid);
        if (!line.is_vipps_open()) {
            if (!line.is_vipps_paid()) {
                super.deletePaymentLine(...arguments);
            }
            return;
        }
        const { uid } = this.currentOrder;
        this.vippsAttempts.cancel(line).then((isCancelled) => {
            if (isCancelled && this.currentOrder.uid === uid) {
                super.deletePaymentLine(cid);
            }
        });
    },
    /**
     * Override to show what the server holds of an order that it refused.
     */
    async validateOrder() {
        const order = this.currentOrder;
        try {
            await super.validateOrder(...arguments);
        } finally {
            if (!order.finalized && order.get_vipps_lines().length) {
                this.vippsAttempts.resume(order);
            }
        }
    },
    /**
     * Override to cancel what a customer may be paying before core removes the unpaid lines.
     */
    async _isOrderValid() {
        return (
            (await super._isOrderValid(...arguments)) &&
            (await this._isVippsMoneyForProducts()) &&
            (await this._areVippsRefundsDone()) &&
            (await this._closeVippsLines())
        );
    },
    /**
     * Return whether the order has products if it is paid with ours: core would hand all of it out
     * as change.
     */
    async _isVippsMoneyForProducts() {
        const line = this.currentOrder.get_vipps_lines().find((line) => line.is_vipps_paid());
        if (!line || !this.currentOrder.is_empty()) {
            return true;
        }
        await this.popup.add(ErrorPopup, {
            title: _t("The order is empty"),
            body: _t(
                "The customer has paid %(amount)s with %(method)s. Refund the payment, or add the products again.",
                this._describeVippsLine(line)
            ),
        });
        return false;
    },
    /**
     * Return whether nothing is left to refund: to core, an order that gives money back is paid.
     */
    async _areVippsRefundsDone() {
        const line = this.currentOrder
            .get_vipps_lines()
            .find((line) => line.amount < 0 && !line.is_done());
        if (!line || this.currentOrder.get_due() >= 0) {
            return true;
        }
        if (line.is_vipps_open()) {
            return this._tellVippsLineIsUnknown(line);
        }
        await this.popup.add(ErrorPopup, {
            title: _t("Nothing was refunded yet"),
            body: _t(
                "Press Refund to send %(amount)s back with %(method)s, or use another payment method.",
                this._describeVippsLine(line)
            ),
        });
        return false;
    },
    async _closeVippsLines() {
        for (const line of this.currentOrder.get_vipps_lines()) {
            if (!line.is_vipps_open()) {
                continue;
            }
            await this.vippsAttempts.cancel(line);
            if (line.payment_status === "done") {
                return this._tellVippsLineIsDone(line);
            }
            if (line.is_vipps_open() && !(await this._finishWithoutVippsLine(line))) {
                return false;
            }
        }
        return true;
    },
    /**
     * Let the cashier finish an order that is paid in another way while nobody knows what becomes
     * of this line: the server gives back what the customer approves afterwards.
     */
    async _finishWithoutVippsLine(line) {
        if (line.vipps_status.is_offline || line.amount < 0) {
            return this._tellVippsLineIsUnknown(line);
        }
        const { confirmed } = await this.popup.add(ConfirmPopup, {
            title: _t("Not known yet"),
            body: _t(
                "It is not known yet whether the customer pays %(amount)s with %(method)s. A payment that is approved after the order is finished is refunded automatically. Finish the order without it?",
                this._describeVippsLine(line)
            ),
            confirmText: _t("Finish without it"),
            cancelText: _t("Wait"),
            confirmKey: false,
        });
        if (confirmed) {
            this.vippsAttempts.giveUp(line);
        }
        return confirmed;
    },
    async _tellVippsLineIsDone(line) {
        await this.popup.add(ErrorPopup, {
            title: line.amount > 0 ? _t("The customer has just paid") : _t("It was just refunded"),
            body: _t(
                "%(amount)s is done with %(method)s. Together with the other payments, that is %(paid)s for an order of %(total)s. Remove another payment, or refund this one.",
                this._describeVippsLine(line)
            ),
        });
        return false;
    },
    async _tellVippsLineIsUnknown(line) {
        await this.popup.add(ErrorPopup, {
            title: _t("Not known yet"),
            body: _t(
                "The outcome of the payment of %(amount)s with %(method)s is not known yet. Try again in a moment.",
                this._describeVippsLine(line)
            ),
        });
        return false;
    },
    _describeVippsLine(line) {
        const order = this.currentOrder;
        const format = (amount) => this.env.utils.formatCurrency(amount);
        return {
            method: line.payment_method.name,
            amount: format(Math.abs(line.amount)),
            paid: format(order.get_total_paid()),
            total: format(order.get_total_with_tax()),
        };
    },
});
