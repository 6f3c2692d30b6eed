/** @odoo-module **/

import * as PaymentScreen from "@point_of_sale/../tests/tours/helpers/PaymentScreenTourMethods";
import {
    addPayment,
    addTour,
    approveElsewhere,
    askAndHide,
    attemptIs,
    emptyOrder,
    lineIs,
    nextOrder,
    see,
    startOrder,
    validate,
} from "@mobilepay_vipps/../tests/tours/pos_helpers";

//#region Restaurant

function openTable() {
    return [{ content: "Open the table", trigger: '.floor-map .table .label:contains("1")' }];
}

function leaveTable() {
    return [
        { content: "Leave the table", trigger: ".floor-button" },
        ...see("See the tables", ".floor-map"),
    ];
}

addTour(
    "vipps_pos_restaurant",
    // The guest pays while the waiter is at another table.
    openTable(),
    startOrder(),
    addPayment(),
    askAndHide(),
    PaymentScreen.clickBack(),
    leaveTable(),
    approveElsewhere(),
    see("Read that it is paid", '.o_notification:contains("has paid"):contains("45.00")'),
    openTable(),
    lineIs("done", "Paid with Vipps"),
    validate(),
    nextOrder(),

    // The guest has gone: no order of nobody is asked for.
    openTable(),
    startOrder(),
    addPayment(),
    askAndHide(),
    emptyOrder(),
    attemptIs("retry"),
    leaveTable()
);

//#endregion
