/** @odoo-module **/
/* global posmodel */

import * as Chrome from "@point_of_sale/../tests/tours/helpers/ChromeTourMethods";
import * as NumberPopup from "@point_of_sale/../tests/tours/helpers/NumberPopupTourMethods";
import * as PaymentScreen from "@point_of_sale/../tests/tours/helpers/PaymentScreenTourMethods";
import * as TicketScreen from "@point_of_sale/../tests/tours/helpers/TicketScreenTourMethods";
import {
    addPayment,
    addTour,
    approveElsewhere,
    ask,
    askAndHide,
    click,
    confirmError,
    connection,
    customer,
    enterAmount,
    fault,
    getParam,
    lineIs,
    nextOrder,
    noPaymentWith,
    noPopup,
    openOrders,
    press,
    receiptHas,
    reload,
    scan,
    see,
    startOrder,
    validate,
} from "@mobilepay_vipps/../tests/tours/pos_helpers";
import { takePicture } from "@mobilepay_vipps/../tests/tours/take_picture";

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
    lineIs("pending", "How does the customer want to pay?"),

    click("vipps_ask_push"),
    [{ content: "Enter a number", trigger: ".o_vipps_phone_popup input", run: "text 900 00 001" }],
    takePicture("till_phone", ".o_vipps_phone_popup"),
    press("Escape"),
    noPopup(),
    lineIs("pending", "How does the customer want to pay?"),

    ask("qr"),
    takePicture("till_qr", ".o_vipps_qr_popup"),
    press("Enter"),
    see("See that Enter is no payment", '.o_vipps_qr_popup [name="time_left"]'),
    press("Escape"),
    noPopup(),
    lineIs("waitingCard", "Waiting"),
    takePicture("till_waiting", ".paymentlines"),
    customer("expire"),
    lineIs("retry", "The time ran out"),

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
    lineIs("retry", "refunded"),
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
    confirmError("Finish the order, or refund the payment"),
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
    lineIs("pending", "The money goes back to the customer's Vipps"),
    takePicture("till_refund", ".payment-screen .left-content"),
    clickValidate(),
    confirmError("Press Refund to send"),
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
    addPayment("Cash"),
    noPaymentWith("Vipps"),
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
    lineIs("retry", "nothing was started"),
    connection(true),

    ask("qr"),
    press("Escape"),
    connection(false),
    lineIs("waitingCard", "No internet connection. Still asking"),
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
    lineIs("waitingCard", "approve in the Vipps app"),
    customer("approve"),
    lineIs("done"),
    validate(),
    nextOrder(),

    startOrder(),
    addPayment(),
    click("vipps_ask_code"),
    scan(() => getParam("code")),
    lineIs("waitingCard", "approve in the Vipps app"),
    customer("approve"),
    lineIs("done"),
    validate()
);

//#endregion
