/** @odoo-module **/

import { onMounted, useExternalListener, useRef, useState } from "@odoo/owl";
import { AbstractAwaitablePopup } from "@point_of_sale/app/popup/abstract_awaitable_popup";
import { Numpad } from "@point_of_sale/app/generic_components/numpad/numpad";

const BACKSPACE = "Backspace";

/**
 * Asks for the phone number that gets the push message. Nothing else happens before the server has
 * said that it is one.
 */
export class PhonePopup extends AbstractAwaitablePopup {
    static template = "mobilepay_vipps.PhonePopup";
    static components = { Numpad };
    static defaultProps = { confirmKey: false };

    setup() {
        super.setup();
        this.state = useState({ phone: this.props.phone, error: "", isBusy: false });
        this.input = useRef("input");
        // Keys must not become amounts of the payment screen behind.
        useExternalListener(window, "keyup", this._onKeyup, { capture: true });
        onMounted(() => {
            this.input.el.focus();
            this.input.el.select();
        });
    }
    /**
     * Return what is dialled before the number, unless it says that itself.
     */
    get countryPrefix() {
        return /^\s*(\+|00)/.test(this.state.phone) ? "" : this.props.countryPrefix;
    }
    get keys() {
        return [..."123456789+0"]
            .map((value) => ({ value }))
            .concat({ value: BACKSPACE, text: "⌫" });
    }
    press(key) {
        const { el } = this.input;
        let { selectionStart: start } = el;
        const { selectionEnd: end } = el;
        if (key === BACKSPACE && start === end) {
            start = Math.max(start - 1, 0);
        }
        el.setRangeText(key === BACKSPACE ? "" : key, start, end, "end");
        el.focus();
        this.enter(el.value);
    }
    enter(phone) {
        Object.assign(this.state, { phone, error: "" });
    }
    async submit() {
        const phone = this.state.phone.trim();
        if (!phone || this.state.isBusy) {
            return;
        }
        this.state.isBusy = true;
        this.state.error = await this.props.check(phone);
        this.state.isBusy = false;
        if (this.state.error) {
            this.input.el?.focus();
        } else {
            this.confirm();
        }
    }
    getPayload() {
        return this.state.phone.trim();
    }
    _onKeyup(event) {
        if (event.target !== this.input.el && event.key !== this.props.cancelKey) {
            event.stopPropagation();
        }
    }
}
