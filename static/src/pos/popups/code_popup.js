/** @odoo-module **/

import { onMounted, onWillUnmount, useExternalListener, useRef, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";
import { BarcodeDialog, isBarcodeScannerSupported } from "@web/webclient/barcode/barcode_scanner";
import { AbstractAwaitablePopup } from "@point_of_sale/app/popup/abstract_awaitable_popup";
import { ErrorPopup } from "@point_of_sale/app/errors/popups/error_popup";
import { openPopup } from "@mobilepay_vipps/pos/popups/focus";

/**
 * Waits for the code that the customer shows in the app. Its text is taken as it is, and is neither
 * shown nor kept.
 */
export class CodePopup extends AbstractAwaitablePopup {
    static template = "mobilepay_vipps.CodePopup";
    static defaultProps = { confirmKey: false, isRefused: false };

    setup() {
        super.setup();
        this.attempts = useService("vipps_attempts");
        this.hasCamera = isBarcodeScannerSupported();
        this.state = useState({ isRefused: this.props.isRefused });
        this.root = useRef("root");
        // A scanner types: its keys must not become amounts of the payment screen behind.
        useExternalListener(window, "keyup", this._onKeyup, { capture: true });
        useExternalListener(window, "paste", this._onPaste, { capture: true });
        onMounted(() => {
            this.root.el.focus();
            this.attempts.codeTaker = (code) => this._take({ code });
        });
        onWillUnmount(() => {
            this.attempts.codeTaker = null;
        });
    }
    useCamera() {
        this._take({ isCamera: true });
    }
    getPayload() {
        return this.payload;
    }
    get instruction() {
        return _t("Scan the code that the customer shows in the %s app.", this.props.appName);
    }
    _take(payload) {
        this.state.isRefused = "code" in payload && !this.props.isCode(payload.code);
        if (!this.payload && !this.state.isRefused) {
            this.payload = payload;
            this.confirm();
        }
    }
    _onKeyup(event) {
        if (event.key !== this.props.cancelKey) {
            event.stopPropagation();
        }
    }
    _onPaste(event) {
        event.stopPropagation();
        const code = event.clipboardData.getData("text").trim();
        if (code) {
            this._take({ code });
        }
    }
}

/**
 * Ask for the customer's code, with the scanner or with the camera.
 *
 * @param {Object} env
 * @param {Object} line - the payment
 * @param {Function} isCode - whether a text can be a customer's code
 * @returns {Promise<string|null>} the complete text of the code, if there is one
 */
export async function askForCode(env, line, isCode) {
    let isRefused = false;
    while (true) {
        const { confirmed, payload } = await openPopup(env.services.popup, CodePopup, {
            methodName: line.payment_method.name,
            appName: line.get_vipps_app(),
            isCode,
            isRefused,
        });
        if (!confirmed) {
            return null;
        }
        const code = payload.isCamera ? await readWithCamera(env) : payload.code;
        if (code && isCode(code)) {
            return code;
        }
        isRefused = Boolean(code);
    }
}

function readWithCamera(env) {
    return new Promise((resolve) => {
        env.services.dialog.add(
            BarcodeDialog,
            {
                facingMode: "environment",
                onResult: resolve,
                onError: (error) =>
                    env.services.popup.add(ErrorPopup, {
                        title: _t("The camera cannot be used"),
                        body: error.message,
                    }),
            },
            // Who closes the camera goes back to the scanner; a result comes right after closing.
            { onClose: () => setTimeout(() => resolve(null)) }
        );
    });
}
