/** @odoo-module **/

import { onMounted, useEffect, useRef } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { AbstractAwaitablePopup } from "@point_of_sale/app/popup/abstract_awaitable_popup";
import { useService } from "@web/core/utils/hooks";
import { formatTimeLeft } from "@mobilepay_vipps/pos/payment_line/payment_line";
import { getFlows } from "@mobilepay_vipps/pos/flows";

// How long the cashier sees that the customer has paid.
const PAID_TIME = 1500;

/**
 * The code that the customer scans. Hiding it changes nothing: the payment goes on.
 */
export class QrPopup extends AbstractAwaitablePopup {
    static template = "mobilepay_vipps.QrPopup";
    static defaultProps = { confirmKey: false };

    setup() {
        super.setup();
        this.attempts = useService("vipps_attempts");
        this.root = useRef("root");
        onMounted(() => this.root.el.focus());
        useEffect(
            (status, flow) => {
                if (status === "done") {
                    const timeout = setTimeout(() => this.cancel(), PAID_TIME);
                    return () => clearTimeout(timeout);
                }
                if (["retry", "reversed"].includes(status) || flow !== "qr") {
                    this.cancel();
                }
            },
            () => [this.props.line.payment_status, this.props.line.vipps_status.flow]
        );
    }
    get instruction() {
        const app = this.props.line.get_vipps_app();
        return _t("Ask the customer to scan the code in the %s app.", app);
    }
    get otherFlows() {
        return getFlows(this.props.line).filter((flow) => flow.key !== "qr");
    }
    get timeLeft() {
        return formatTimeLeft(this.props.line);
    }
}
