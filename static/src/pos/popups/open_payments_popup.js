/** @odoo-module **/

import { useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";
import { AbstractAwaitablePopup } from "@point_of_sale/app/popup/abstract_awaitable_popup";

/**
 * The payments that prevent closing the session, and what can be done with each.
 */
export class OpenPaymentsPopup extends AbstractAwaitablePopup {
    static template = "mobilepay_vipps.OpenPaymentsPopup";
    static defaultProps = { confirmKey: false };

    setup() {
        super.setup();
        this.service = useService("vipps_attempts");
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
