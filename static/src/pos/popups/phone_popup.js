/** @odoo-module **/

import { onMounted, useRef, useState } from "@odoo/owl";
import { AbstractAwaitablePopup } from "@point_of_sale/app/popup/abstract_awaitable_popup";

/**
 * Asks for the phone number that gets the push message. The server knows which ones are valid.
 */
export class PhonePopup extends AbstractAwaitablePopup {
    static template = "mobilepay_vipps.PhonePopup";
    static defaultProps = { confirmKey: false };

    setup() {
        super.setup();
        this.state = useState({ phone: this.props.phone });
        this.input = useRef("input");
        onMounted(() => {
            this.input.el.focus();
            this.input.el.select();
        });
    }
    submit() {
        if (this.state.phone.trim()) {
            this.confirm();
        }
    }
    getPayload() {
        return this.state.phone.trim();
    }
}
