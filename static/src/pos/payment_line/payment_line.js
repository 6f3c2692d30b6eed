/** @odoo-module **/

import { Component, useEffect, useRef, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { useService } from "@web/core/utils/hooks";
import { PaymentScreenPaymentLines } from "@point_of_sale/app/screens/payment_screen/payment_lines/payment_lines";
import { getFlows } from "@mobilepay_vipps/pos/flows";

/**
 * Return how long the customer can still approve, as minutes and seconds.
 *
 * @param {Object} line
 * @returns {string} empty if nobody waits for the customer
 */
export function formatTimeLeft(line) {
    const { state, seconds_left: seconds } = line.vipps_status;
    if (!["waiting", "scan"].includes(state) || !seconds) {
        return "";
    }
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/**
 * What happens with a payment, in words, and what the cashier can do now.
 */
export class VippsPaymentLine extends Component {
    static template = "mobilepay_vipps.PaymentLine";
    static props = { line: Object };

    setup() {
        this.attempts = useService("vipps_attempts");
        this.waiting = useState(this.attempts.waiting);
        this.root = useRef("root");
        // Below a long list of payment methods nobody would see what to do, or who waits.
        useEffect(
            () => {
                this.root.el.scrollIntoView({ block: "nearest" });
                const checkIns = this.root.el.querySelectorAll('[name="vipps_check_in"]');
                checkIns[checkIns.length - 1]?.scrollIntoView({ block: "nearest" });
            },
            () => [this.phase, this.checkIns.length]
        );
    }
    get flows() {
        return getFlows(this.props.line);
    }
    get otherFlows() {
        return this.flows.filter((flow) => flow.key !== this.props.line.vipps_status.flow);
    }
    /**
     * Return the customers who have scanned the sticker: before anybody is asked, and to choose
     * from if it is not certain which of them this order is for.
     */
    get checkIns() {
        const { state, check_ins: checkIns } = this.props.line.vipps_status;
        if (this.phase === "ask" && !this.isRefund) {
            return this.flows.some((flow) => flow.key === "sticker") ? this.waiting.checkIns : [];
        }
        return state === "scan" ? checkIns || [] : [];
    }
    /**
     * Return whether somebody waits to be asked in this way.
     */
    isWaitedFor(flow) {
        return flow.key === "sticker" && this.checkIns.length > 0;
    }
    describeCheckIn({ seconds }) {
        return seconds < 60
            ? _t("Scanned %s s ago", seconds)
            : _t("Scanned %s min ago", Math.floor(seconds / 60));
    }
    get isRefund() {
        return this.props.line.amount < 0;
    }
    get timeLeft() {
        return formatTimeLeft(this.props.line);
    }
    /**
     * Return whether a person has to do something, wait, or is done.
     */
    get phase() {
        return (
            {
                pending: "ask",
                retry: "ask",
                waitingCard: "wait",
                done: "done",
            }[this.props.line.payment_status] || "busy"
        );
    }
    /**
     * Return how serious it is, and the icon that says so beside the color.
     */
    get sign() {
        const { line } = this.props;
        const { state } = line.vipps_status;
        if (line.payment_status === "retry") {
            return {
                unpaid: { level: "warning", icon: "fa-exclamation-triangle" },
                returned: { level: "info", icon: "fa-undo" },
            }[state] || { level: "error", icon: "fa-times-circle" };
        }
        if (line.is_vipps_in_doubt()) {
            return { level: "warning", icon: "fa-exclamation-triangle" };
        }
        return {
            ask: { level: "info", icon: "" },
            done: { level: "done", icon: "fa-check-circle" },
        }[this.phase] || { level: "info", icon: "fa-circle-o-notch fa-spin" };
    }
    get text() {
        const { line } = this.props;
        const method = line.payment_method.name;
        const { is_captured: isCaptured, message, state } = line.vipps_status;
        if (line.vipps_status.is_offline && line.is_vipps_open()) {
            return _t("No internet connection. Still asking…");
        }
        switch (line.payment_status) {
            case "pending":
                if (this.isRefund) {
                    return _t("The money goes back to the customer's %s", line.get_vipps_app());
                }
                return this.flows.length > 1 ? _t("How does the customer want to pay?") : "";
            case "retry":
                if (state === "returned") {
                    return _t("The payment was refunded");
                }
                return message || _t("Nothing was paid. Ask for the payment again.");
            case "waiting":
                return this.isRefund ? _t("Refunding…") : _t("Asking for the payment…");
            case "waitingCancel":
                return _t("Cancelling…");
            case "reversing":
                return _t("Refunding…");
            case "done":
                if (this.isRefund) {
                    return _t("Refunded with %s", method);
                }
                return isCaptured === false
                    ? _t("Paid with %s. (Charged automatically.)", method)
                    : _t("Paid with %s", method);
            default:
                return this._getWaitingText(message, method);
        }
    }
    _getWaitingText(message, method) {
        const { line } = this.props;
        const { state, flow, is_cancel_unknown: isCancelUnknown } = line.vipps_status;
        if (isCancelUnknown && !this.isRefund) {
            return _t(
                "Not cancelled yet: %s is not responding. Wait, or use another payment method.",
                method
            );
        }
        if (state === "scan") {
            return this.checkIns.length
                ? _t("Which customer is this? Choose the one who stands in front of you.")
                : _t("Ask the customer to scan the sticker with the %s app", line.get_vipps_app());
        }
        if (state !== "waiting") {
            return message || _t("Checking with %s…", method);
        }
        return flow === "qr"
            ? _t("Waiting for the customer to scan the code and approve")
            : _t("Waiting for the customer to approve in the %s app", line.get_vipps_app());
    }
}

// Core's component has no place for others.
PaymentScreenPaymentLines.components = {
    ...PaymentScreenPaymentLines.components,
    VippsPaymentLine,
};

patch(PaymentScreenPaymentLines.prototype, {
    /**
     * Return whether the cashier sees what happens with a payment: also with one that is not
     * selected, if the customer may be paying it or has paid it.
     */
    showsVipps(line) {
        return line.is_vipps() && (line.selected || line.is_vipps_binding());
    },
});
