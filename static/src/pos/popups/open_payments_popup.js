/** @odoo-module **/

import { useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";
import { ConfirmPopup } from "@point_of_sale/app/utils/confirm_popup/confirm_popup";
import { AbstractAwaitablePopup } from "@point_of_sale/app/popup/abstract_awaitable_popup";
import { OPEN_STATES } from "@mobilepay_vipps/pos/attempt_follower";

/**
 * The payments that prevent closing the session, and what can be done with each.
 */
export class OpenPaymentsPopup extends AbstractAwaitablePopup {
    static template = "mobilepay_vipps.OpenPaymentsPopup";
    static defaultProps = { confirmKey: false };

    setup() {
        super.setup();
        this.service = useService("vipps_attempts");
        this.popup = useService("popup");
        this.isManager = useService("pos").user.role === "manager";
        this.state = useState({ attempts: [...this.props.attempts], isBusy: false });
    }
    getText(attempt) {
        switch (attempt.state) {
            case "paid":
                return _t("Paid, but not part of a finished order");
            case "refunded":
                return _t("Refunded, but not part of a finished order");
            default:
                return attempt.amount < 0
                    ? _t("Waiting for the refund")
                    : _t("Waiting for the customer");
        }
    }
    /**
     * Return whether only a manager can go on if Vipps MobilePay never answers.
     */
    get needsManager() {
        return (
            !this.isManager &&
            this.state.attempts.some((attempt) => OPEN_STATES.includes(attempt.state))
        );
    }
    attach(attempt) {
        return this._settle("vipps_attach_attempt", attempt);
    }
    async refund(attempt) {
        if (await this.service.confirmGivingBack(attempt.amount)) {
            await this._settle("vipps_undo_attempt", attempt);
        }
    }
    cancelAttempt(attempt) {
        return this._settle("vipps_cancel_attempt", attempt);
    }
    async giveUp(attempt) {
        const body = _t(
            "The outcome of this payment is not known yet. If you close the session without it, Odoo keeps asking, and an administrator gets an activity."
        );
        if (await this._confirm(_t("Close without it"), body)) {
            await this._settle("vipps_give_up_attempt", attempt);
        }
    }
    async bookAlone(attempt) {
        const body = _t(
            "The payment is booked without a sale, and can no longer be used to pay an order. An administrator gets an activity to make an invoice."
        );
        if (await this._confirm(_t("Book without the order"), body)) {
            await this._settle("vipps_book_attempt", attempt);
        }
    }
    async _confirm(title, body) {
        const { confirmed } = await this.popup.add(ConfirmPopup, {
            title,
            body,
            confirmText: title,
            confirmKey: false,
        });
        return confirmed;
    }
    async _settle(method, attempt) {
        if (this.state.isBusy) {
            return;
        }
        this.state.isBusy = true;
        try {
            const status = await this.service.settle(method, attempt.reference);
            // It may be in an order that only this browser can finish.
            Object.assign(attempt, status, status.notice && { message: status.notice });
            if (status.is_attached || ["unpaid", "returned"].includes(status.state)) {
                const { attempts } = this.state;
                attempts.splice(attempts.indexOf(attempt), 1);
            }
        } catch (error) {
            attempt.message = this.service.getSentence(error);
        } finally {
            this.state.isBusy = false;
        }
        if (!this.state.attempts.length) {
            this.cancel();
        }
    }
}
