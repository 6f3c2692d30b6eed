/** @odoo-module **/

import { onMounted, onWillUnmount, useExternalListener } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";
import { BarcodeDialog, isBarcodeScannerSupported } from "@web/webclient/barcode/barcode_scanner";
import { AbstractAwaitablePopup } from "@point_of_sale/app/popup/abstract_awaitable_popup";
import { ErrorPopup } from "@point_of_sale/app/errors/popups/error_popup";

/**
 * Waits for the code that the customer shows in the app. Its text is taken as it is, and is neither
 * shown nor kept.
 */
export class CodePopup extends AbstractAwaitablePopup {
    static template = "mobilepay_vipps.CodePopup";
    static defaultProps = { confirmKey: false };

    setup() {
        super.setup();
        this.attempts = useService("vipps_attempts");
        this.hasCamera = isBarcodeScannerSupported();
        // A scanner types: its keys must not become amounts of the payment screen behind.
        useExternalListener(window, "keyup", this._onKeyup, { capture: true });
        useExternalListener(window, "paste", this._onPaste, { capture: true });
        onMounted(() => {
            document.activeElement?.blur();
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
    _take(payload) {
        if (!this.payload) {
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
 * @param {string} methodName - what the customer knows the payment method by
 * @returns {Promise<string|null>} the complete text of the code, if there is one
 */
export async function askForCode(env, methodName) {
    while (true) {
        const { confirmed, payload } = await env.services.popup.add(CodePopup, { methodName });
        if (!confirmed) {
            return null;
        }
        const code = payload.isCamera ? await readWithCamera(env) : payload.code;
        if (code) {
            return code;
        }
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
