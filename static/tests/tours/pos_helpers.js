/** @odoo-module **/
/* global posmodel */

import * as Chrome from "@point_of_sale/../tests/tours/helpers/ChromeTourMethods";
import * as PaymentScreen from "@point_of_sale/../tests/tours/helpers/PaymentScreenTourMethods";
import * as ProductScreen from "@point_of_sale/../tests/tours/helpers/ProductScreenTourMethods";
import * as ReceiptScreen from "@point_of_sale/../tests/tours/helpers/ReceiptScreenTourMethods";
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

/**
 * See that no line of a payment method is left.
 */
export function noPaymentWith(method) {
    return [
        {
            content: `See no payment with ${method}`,
            trigger: `.paymentlines:not(:contains("${method}"))`,
            isCheck: true,
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

export function receiptHasNo(text) {
    return [
        {
            content: `See no ${text} on the receipt`,
            trigger: `.pos-receipt:not(:contains("${text}"))`,
            isCheck: true,
        },
    ];
}

/**
 * Wait until a condition is true that no selector can tell.
 */
export function check(content, condition) {
    return [
        {
            content,
            trigger: "body",
            async run() {
                while (!condition()) {
                    await new Promise(requestAnimationFrame);
                }
            },
        },
    ];
}

export function see(content, trigger) {
    return [{ content, trigger, isCheck: true }];
}

/**
 * Let something go wrong at Vipps MobilePay, so many times; always if that is null.
 */
export function fault(operation, kind, times = 1) {
    return [
        {
            content: `Let ${operation} go wrong: ${kind}`,
            trigger: "body",
            async run() {
                await fetch(`${getParam("simulator")}/control/faults`, {
                    mode: "no-cors",
                    method: "POST",
                    body: JSON.stringify({ operation, kind, times }),
                });
            },
        },
    ];
}

/**
 * Let the customer approve a payment of an order that is not on the screen.
 */
export function approveElsewhere() {
    return [
        {
            content: "Let the customer approve",
            trigger: "body",
            async run() {
                const lines = posmodel.orders.flatMap((order) => order.get_vipps_lines());
                const reference = lines.find((line) => line.vipps_reference).vipps_reference;
                await fetch(
                    `${getParam("simulator")}/control/payments/${encodeURIComponent(reference)}/approve`,
                    { mode: "no-cors", method: "POST" }
                );
            },
        },
    ];
}

export function askAndHide() {
    return [...ask("qr"), ...click("vipps_hide"), ...noPopup()];
}

export function nextOrder() {
    return ReceiptScreen.clickNextOrder();
}

/**
 * Enter the amount of the selected payment line, and wait until it is there: newer releases of Odoo
 * first wait whether the keys come from a scanner.
 */
export function enterAmount(method, amount) {
    return [
        ...PaymentScreen.enterPaymentLineAmount(method, amount),
        ...see(
            `See ${amount}`,
            `.paymentline.selected:contains("${method}"):contains("${amount}.00")`
        ),
    ];
}

export function confirmError(text) {
    return [
        ...see(`Read ${text}`, `.popup-error:contains("${text}")`),
        { content: "Go on", trigger: ".popup-error .button" },
        ...noPopup(),
    ];
}

export function openOrders() {
    return [...Chrome.clickMenuButton(), ...Chrome.clickTicketButton()];
}

export function connection(isThere) {
    return [
        {
            content: isThere ? "Let the connection come back" : "Lose the connection",
            trigger: "body",
            run() {
                window.vippsSend ||= XMLHttpRequest.prototype.send;
                XMLHttpRequest.prototype.send = isThere
                    ? window.vippsSend
                    : function () {
                          setTimeout(() => this.dispatchEvent(new Event("error")));
                      };
            },
        },
    ];
}

/**
 * Wait until the attempt of the order on the screen stands so, whatever is shown.
 */
export function attemptIs(status) {
    return check(
        `See that the payment is ${status}`,
        () => posmodel.get_order().get_vipps_lines()[0]?.payment_status === status
    );
}

/**
 * Take all products out of the order on the product screen.
 */
export function emptyOrder() {
    return [
        ...PaymentScreen.clickBack(),
        ...ProductScreen.pressNumpad("⌫", "⌫"),
        ...check("See the empty order", () => posmodel.get_order().is_empty()),
    ];
}

export function openPayment() {
    return [{ content: "Pay", trigger: ".product-screen .pay-order-button" }];
}
