/** @odoo-module **/
/* global posmodel */

import { registry } from "@web/core/registry";

export function addTour(name, ...steps) {
    registry.category("web_tour.tours").add(name, { test: true, steps: () => steps.flat() });
}

/**
 * Return a value that the test hands over in the hash of the address.
 */
export function getParam(name) {
    return new URLSearchParams(window.location.hash.slice(1)).get(name);
}

/**
 * Start an order with one product, and open its payment screen.
 */
export function startOrder(product = "Cinnamon Bun") {
    return [
        {
            content: `Add ${product}`,
            trigger: `article.product .product-name:contains("${product}")`,
        },
        {
            content: "Pay",
            trigger: ".product-screen .pay-order-button",
            mobile: false,
        },
        {
            content: "Pay",
            trigger: ".btn-switchpane:contains('Pay')",
            mobile: true,
        },
        {
            content: "See the payment screen",
            trigger: ".payment-screen",
            isCheck: true,
        },
    ];
}

export function addPayment(method = "Vipps") {
    return [
        {
            content: `Pay with ${method}`,
            trigger: `.paymentmethods .paymentmethod:contains("${method}")`,
        },
    ];
}

/**
 * Click on a button of the payment line or of a popup, known by its name.
 */
export function click(name) {
    return [
        {
            content: `Click on ${name}`,
            trigger: `button[name="${name}"]:visible:not([disabled])`,
        },
    ];
}

/**
 * Wait until the payment line has a status, and a text.
 */
export function lineIs(status, text = "") {
    return [
        {
            content: `See that the payment is ${status} ${text}`,
            trigger: `.o_vipps_line[data-status="${status}"]:contains("${text}")`,
            isCheck: true,
        },
    ];
}

/**
 * Ask for the payment in a way, and wait until the customer can approve it.
 */
export function ask(flow) {
    return [...click(`vipps_ask_${flow}`), ...lineIs("waitingCard", "Waiting")];
}

/**
 * Let the customer do something in the app: approve, decline, expire.
 */
export function customer(action) {
    return [
        {
            content: `Let the customer ${action}`,
            trigger: '.o_vipps_line[data-state="waiting"]',
            run() {
                const [line] = posmodel.get_order().get_vipps_lines().slice(-1);
                const reference = encodeURIComponent(line.vipps_reference);
                fetch(`${getParam("simulator")}/control/payments/${reference}/${action}`, {
                    mode: "no-cors",
                    method: "POST",
                });
            },
        },
    ];
}

/**
 * Type a text as a barcode scanner does, which ends with the Enter key.
 */
export function scan(getText) {
    return [
        {
            content: "Scan",
            trigger: "body",
            run() {
                for (const key of [...getText(), "Enter"]) {
                    for (const type of ["keydown", "keyup"]) {
                        document.body.dispatchEvent(
                            new KeyboardEvent(type, { key, bubbles: true, cancelable: true })
                        );
                    }
                }
            },
        },
    ];
}

/**
 * Press a key wherever the focus is. Newer releases of Odoo wait a moment for the next keys, and take
 * them all for a scanner's if there are more.
 */
export function press(key) {
    return [
        {
            content: `Press ${key}`,
            trigger: "body",
            async run() {
                for (const type of ["keydown", "keyup"]) {
                    (document.activeElement || document.body).dispatchEvent(
                        new KeyboardEvent(type, { key, bubbles: true, cancelable: true })
                    );
                }
                while (posmodel.numberBuffer.eventsBuffer?.length) {
                    await new Promise(requestAnimationFrame);
                }
            },
        },
    ];
}

export function noPopup() {
    return [
        {
            content: "See no popup",
            trigger: "body:not(:has(.popups .modal-dialog))",
            isCheck: true,
        },
    ];
}

export function reload() {
    return [
        {
            content: "Reload the page",
            trigger: "body",
            run: () => window.location.reload(),
        },
        {
            content: "See the products again",
            trigger: ".product-screen .pay-order-button",
            isCheck: true,
        },
    ];
}

/**
 * Finish the order, and see the receipt.
 */
export function validate() {
    return [
        {
            content: "Validate",
            trigger: ".payment-screen .button.next.highlight",
            mobile: false,
        },
        {
            content: "Validate",
            trigger: ".btn-switchpane.validation-button:not(.secondary)",
            mobile: true,
        },
        {
            content: "See the receipt",
            trigger: ".receipt-screen .pos-receipt",
            isCheck: true,
        },
    ];
}

export function receiptHas(text) {
    return [
        {
            content: `See ${text} on the receipt`,
            trigger: `.pos-receipt:contains("${text}")`,
            isCheck: true,
        },
    ];
}
