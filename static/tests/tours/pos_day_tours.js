/** @odoo-module **/
/* global posmodel */

import * as Chrome from "@point_of_sale/../tests/tours/helpers/ChromeTourMethods";
import * as NumberPopup from "@point_of_sale/../tests/tours/helpers/NumberPopupTourMethods";
import * as PaymentScreen from "@point_of_sale/../tests/tours/helpers/PaymentScreenTourMethods";
import * as ReceiptScreen from "@point_of_sale/../tests/tours/helpers/ReceiptScreenTourMethods";
import * as TicketScreen from "@point_of_sale/../tests/tours/helpers/TicketScreenTourMethods";
import {
    addPayment,
    addTour,
    ask,
    click,
    customer,
    getParam,
    lineIs,
    noPopup,
    press,
    receiptHas,
    reload,
    scan,
    startOrder,
    validate,
} from "@mobilepay_vipps/../tests/tours/pos_helpers";

function see(content, trigger) {
    return [{ content, trigger, isCheck: true }];
}

/**
 * Take a picture of an element for the README, if the test asks for pictures.
 */
export function takePicture(name, selector) {
    return [
        {
            content: `Take the picture ${name}`,
            trigger: selector,
            async run() {
                if (!window.takeVippsPicture) {
                    return;
                }
                const { x, y, width, height } = this.$anchor[0].getBoundingClientRect();
                await new Promise((resolve) => {
                    window.onVippsPicture = resolve;
                    window.takeVippsPicture(
                        JSON.stringify({ name, clip: { x, y, width, height, scale: 1 } })
                    );
                });
            },
        },
    ];
}

/**
 * Let something go wrong at Vipps MobilePay.
 */
function fault(operation, kind) {
    return [
        {
            content: `Let ${operation} go wrong: ${kind}`,
            trigger: "body",
            async run() {
                await fetch(`${getParam("simulator")}/control/faults`, {
                    mode: "no-cors",
                    method: "POST",
                    body: JSON.stringify({ operation, kind }),
                });
            },
        },
    ];
}

/**
 * Let the customer approve a payment of an order that is not on the screen.
 */
function approveElsewhere() {
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

function askAndHide() {
    return [...ask("qr"), ...click("vipps_hide"), ...noPopup()];
}

function nextOrder() {
    return ReceiptScreen.clickNextOrder();
}

/**
 * Enter the amount of the selected payment line, and wait until it is there: newer releases of Odoo
 * first wait whether the keys come from a scanner.
 */
function enterAmount(method, amount) {
    return [
        ...PaymentScreen.enterPaymentLineAmount(method, amount),
        ...see(
            `See ${amount}`,
            `.paymentline.selected:contains("${method}"):contains("${amount}.00")`
        ),
    ];
}

function payCash(amount) {
    return [...addPayment("Cash"), ...enterAmount("Cash", amount)];
}

function raiseCash(from, amount) {
    return [
        ...PaymentScreen.clickPaymentline("Cash", from),
        ...enterAmount("Cash", amount),
    ];
}

function clickValidate() {
    return PaymentScreen.clickValidate();
}

function confirmError(text) {
    return [
        ...see(`Read ${text}`, `.popup-error:contains("${text}")`),
        { content: "Go on", trigger: ".popup-error .button" },
        ...noPopup(),
    ];
}

function openOrders() {
    return [...Chrome.clickMenuButton(), ...Chrome.clickTicketButton()];
}

function deleteOrder(total) {
    return [
        {
            content: `Delete the order over ${total}`,
            trigger: `.ticket-screen .order-row:contains("${total}") .delete-button`,
        },
        ...Chrome.confirmPopup(),
    ];
}

//#region Patience: keys, expiry, an order that is put aside

addTour(
    "vipps_pos_patience",
    startOrder(),
    addPayment(),
    takePicture("till_ways", ".payment-screen .left-content"),

    click("vipps_ask_code"),
    takePicture("till_code", ".o_vipps_code_popup"),
    press("Enter"),
    see("See that the code is still waited for", ".o_vipps_code_popup"),
    press("Escape"),
    noPopup(),
    lineIs("pending", "Ask for the payment"),

    click("vipps_ask_push"),
    [{ content: "Enter a number", trigger: ".o_vipps_phone_popup input", run: "text 900 00 001" }],
    takePicture("till_phone", ".o_vipps_phone_popup"),
    press("Escape"),
    noPopup(),
    lineIs("pending", "Ask for the payment"),

    ask("qr"),
    takePicture("till_qr", ".o_vipps_qr_popup"),
    press("Enter"),
    see("See that Enter is no payment", '.o_vipps_qr_popup [name="time_left"]'),
    press("Escape"),
    noPopup(),
    lineIs("waitingCard", "Waiting"),
    takePicture("till_waiting", ".paymentlines"),
    customer("expire"),
    lineIs("retry", "not approved in time"),

    askAndHide(),
    PaymentScreen.clickBack(),
    openOrders(),
    TicketScreen.clickNewTicket(),
    startOrder("Coffee"),
    approveElsewhere(),
    see("Read which order is paid", '.o_notification:contains("has paid"):contains("45.00")'),
    openOrders(),
    deleteOrder("30.00"),
    TicketScreen.selectOrder("45.00"),
    TicketScreen.loadSelectedOrder(),
    lineIs("done", "Paid with Vipps"),
    takePicture("till_paid", ".paymentlines"),
    validate(),
    receiptHas("Reference")
);

//#endregion
//#region Meanwhile: what the cashier does while the customer pays

addTour(
    "vipps_pos_meanwhile",
    // Cash over all of it, while nobody has approved.
    startOrder(),
    payCash("20"),
    addPayment(),
    askAndHide(),
    raiseCash("20.00", "45"),
    validate(),
    nextOrder(),

    // The same, and the customer approves at that moment.
    startOrder(),
    payCash("20"),
    addPayment(),
    askAndHide(),
    fault("cancel", "approved"),
    raiseCash("20.00", "45"),
    clickValidate(),
    see("See both sums", '.popup-error:contains("25.00"):contains("70.00"):contains("45.00")'),
    confirmError("The customer has just paid"),
    raiseCash("45.00", "20"),
    validate(),
    nextOrder(),

    // The line is deleted, then another one at the moment of the approval, and that is undone.
    startOrder(),
    payCash("20"),
    addPayment(),
    askAndHide(),
    PaymentScreen.clickPaymentline("Cash", "20.00"),
    PaymentScreen.clickPaymentlineDelButton("Vipps", "25.00"),
    see("See it gone", ".paymentlines:not(:contains('Vipps'))"),
    addPayment(),
    askAndHide(),
    fault("cancel", "approved"),
    PaymentScreen.clickPaymentline("Cash", "20.00"),
    PaymentScreen.clickPaymentlineDelButton("Vipps", "25.00"),
    PaymentScreen.clickPaymentline("Vipps", "25.00"),
    lineIs("done", "Paid with Vipps"),
    click("vipps_undo"),
    Chrome.confirmPopup(),
    lineIs("reversed", "given back"),
    addPayment(),
    ask("qr"),
    customer("approve"),
    noPopup(),
    validate(),
    nextOrder(),

    // The order is deleted, then another one at the moment of the approval.
    startOrder(),
    addPayment(),
    askAndHide(),
    PaymentScreen.clickBack(),
    openOrders(),
    deleteOrder("45.00"),
    see("See it gone", ".ticket-screen:not(:has(.order-row:contains('45.00')))"),
    TicketScreen.clickNewTicket(),
    startOrder(),
    addPayment(),
    askAndHide(),
    fault("cancel", "approved"),
    PaymentScreen.clickBack(),
    openOrders(),
    deleteOrder("45.00"),
    confirmError("Finish the order, or give the money back first"),
    TicketScreen.selectOrder("45.00"),
    TicketScreen.loadSelectedOrder(),
    lineIs("done", "Paid with Vipps"),
    validate()
);

//#endregion
//#region Refunds

function openRefunds() {
    return [{ content: "Refund", trigger: ".control-button:contains('Refund')" }];
}

function refund(order, quantity = "") {
    return [
        ...openRefunds(),
        ...TicketScreen.selectOrder(order),
        ...(quantity ? PaymentScreen.pressNumpad(quantity) : []),
        ...TicketScreen.toRefundTextContains("To Refund"),
        ...TicketScreen.confirmRefund(),
        { content: "Pay", trigger: ".product-screen .pay-order-button" },
        ...addPayment(),
    ];
}

addTour(
    "vipps_pos_refund",
    refund("-0501", "1"),
    lineIs("pending", "Refund to the payment of the sale"),
    takePicture("till_refund", ".payment-screen .left-content"),
    clickValidate(),
    confirmError("Press Refund to give"),
    click("vipps_refund"),
    lineIs("done", "Refunded with Vipps"),
    validate(),
    receiptHas("Refunded"),
    nextOrder(),

    refund("-0502", "1"),
    click("vipps_refund"),
    lineIs("done", "Refunded with Vipps"),
    validate(),
    nextOrder(),

    refund("-0503", "1"),
    click("vipps_refund"),
    lineIs("retry", "Refund them the way they were paid"),
    [{ content: "Remove the line", trigger: ".paymentline.selected .delete-button" }],
    addPayment("Cash"),
    validate(),
    nextOrder(),

    openRefunds(),
    TicketScreen.selectOrder("-0501"),
    [{ content: "Print again", trigger: ".control-button:contains('Print Receipt')" }],
    receiptHas("Vipps"),
    receiptHas("47******01"),
    receiptHas("Reference"),
    takePicture("till_receipt", ".receipt-screen .pos-receipt")
);

//#endregion
//#region Connection: gone, a page that is loaded again, and what the customer sees

function connection(isThere) {
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
 * Open the customer display in a frame, where the test can see it.
 */
function openCustomerDisplay() {
    return [
        {
            content: "Open the customer display",
            trigger: ".navbar-button:contains('Customer Screen')",
            run() {
                const frame = document.createElement("iframe");
                frame.id = "vipps_customer_display";
                frame.style = "position: fixed; right: 0; top: 0; width: 900px; height: 600px;"
                    + " z-index: 2147483647; background: white; border: 0; pointer-events: none;";
                document.body.append(frame);
                window.open = () => frame.contentWindow;
                this.$anchor[0].click();
            },
        },
    ];
}

function customerSees(text, ...selectors) {
    return [
        {
            content: `Let the customer see ${text}`,
            trigger: "body",
            async run() {
                const frame = document.getElementById("vipps_customer_display");
                const isSeen = () => {
                    const body = frame.contentDocument.body;
                    return (
                        body.textContent.includes(text) &&
                        selectors.every((selector) => body.querySelector(selector))
                    );
                };
                while (!isSeen()) {
                    await new Promise(requestAnimationFrame);
                }
            },
        },
    ];
}

function closeCustomerDisplay() {
    return [
        {
            content: "Close the customer display",
            trigger: "body",
            run: () => document.getElementById("vipps_customer_display").remove(),
        },
    ];
}

addTour(
    "vipps_pos_connection",
    startOrder(),
    PaymentScreen.clickTipButton(),
    NumberPopup.enterValue("5"),
    NumberPopup.clickConfirm(),
    payCash("20"),
    addPayment(),
    enterAmount("Vipps", "10"),
    connection(false),
    click("vipps_ask_qr"),
    lineIs("retry", "Nothing was started"),
    connection(true),

    ask("qr"),
    press("Escape"),
    connection(false),
    lineIs("waitingCard", "No connection, still asking"),
    connection(true),
    customer("approve"),
    lineIs("done", "Paid with Vipps"),

    reload(),
    [{ content: "Pay", trigger: ".product-screen .pay-order-button" }],
    addPayment(),
    openCustomerDisplay(),
    ask("qr"),
    customerSees("20.00", 'img[src^="data:image/svg+xml"]'),
    takePicture("till_customer_display", "#vipps_customer_display"),
    customer("approve"),
    customerSees("Paid", ".o_vipps_display_paid"),
    closeCustomerDisplay(),
    noPopup(),
    validate()
);

//#endregion
//#region Closing

addTour(
    "vipps_pos_closing",
    Chrome.clickMenuButton(),
    [
        { content: "Close the session", trigger: ".close-button" },
        { content: "Be sure", trigger: ".close-pos-popup .footer .button.highlight" },
    ],
    see("See both", ".o_vipps_open_payments_popup:contains('45.00'):contains('30.00')"),
    takePicture("till_closing", ".o_vipps_open_payments_popup"),
    press("Enter"),
    see("See that nothing has happened", ".o_vipps_open_payments_popup li:nth-child(2)"),
    press("Escape"),
    [{ content: "Try again", trigger: ".close-pos-popup .footer .button.highlight" }],
    [
        {
            content: "Put the first one into its order",
            trigger: "li:contains('45.00') button[name='vipps_attach']",
        },
        {
            content: "Give the other one back",
            trigger: "li:contains('30.00') button[name='vipps_give_back']",
        },
    ],
    Chrome.confirmPopup(),
    see("See nothing left", "body:not(:has(.o_vipps_open_payments_popup))")
);

//#endregion
//#region On a phone

addTour(
    "vipps_pos_on_phone",
    startOrder(),
    addPayment(),
    ask("qr"),
    see("See all of the code", ".o_vipps_qr_popup img"),
    customer("approve"),
    noPopup(),
    validate(),
    nextOrder(),

    startOrder(),
    addPayment(),
    click("vipps_ask_push"),
    [{ content: "Enter a number", trigger: ".o_vipps_phone_popup input", run: "text 900 00 001" }],
    click("vipps_send"),
    lineIs("waitingCard", "approve in the app"),
    customer("approve"),
    lineIs("done"),
    validate(),
    nextOrder(),

    startOrder(),
    addPayment(),
    click("vipps_ask_code"),
    scan(() => getParam("code")),
    lineIs("waitingCard", "approve in the app"),
    customer("approve"),
    lineIs("done"),
    validate()
);

//#endregion
