/** @odoo-module **/

import { registry } from "@web/core/registry";
import { takePicture } from "@mobilepay_vipps/../tests/tours/take_picture";


registry.category("web_tour.tours").add("vipps_pay_invoice", {
    test: true,
    steps: () => [
        {
            content: "Read what is left to pay",
            trigger: '#o_vipps_pay[data-state="open"] dl:contains("249.50")',
            isCheck: true,
        },
        ...takePicture("payment_page", "#o_vipps_pay"),
        {
            content: "Press the only button",
            trigger: '#o_vipps_pay button[value="due"]',
        },
        {
            content: "Come back from the app to the page of the invoice",
            trigger: '#o_vipps_pay:not([data-state="open"]), #o_vipps_payment_result',
            timeout: 60000,
            isCheck: true,
        },
        ...takePicture("payment_page_paid", "#o_vipps_pay, #o_vipps_payment_result"),
    ],
});

registry.category("web_tour.tours").add("vipps_give", {
    test: true,
    steps: () => [
        ...takePicture("payment_page_open_amount", "#o_vipps_pay"),
        {
            content: "Enter another amount",
            trigger: "#o_vipps_amount",
            run: "text 75",
        },
        {
            content: "Press Enter, as people do",
            trigger: "#o_vipps_amount",
            run() {
                this.$anchor[0].focus();
                window.pressVippsEnter("");
            },
        },
        {
            content: "Come back from the app",
            trigger: '#o_vipps_pay .alert-success:contains("Thank you!")',
            timeout: 60000,
            isCheck: true,
        },
    ],
});

registry.category("web_tour.tours").add("vipps_pay_all_that_is_due", {
    test: true,
    steps: () => [
        {
            content: "See the button above the invoices",
            trigger: '[name="vipps_pay_due"] a:contains("Pay all that is due")',
            isCheck: true,
        },
        ...takePicture("portal_pay_due", "#wrap"),
        {
            content: "Press it",
            trigger: '[name="vipps_pay_due"] a',
        },
        {
            content: "Pay both invoices at once",
            trigger: '#o_vipps_pay button[value="due"]:contains("499.00")',
        },
        {
            content: "Come back from the app to the invoices, of which none is due",
            trigger: '#wrap:has(.o_portal_my_doc_table):not(:has([name="vipps_pay_due"]))',
            timeout: 60000,
            isCheck: true,
        },
    ],
});

registry.category("web_tour.tours").add("vipps_request_payment", {
    test: true,
    steps: () => [
        {
            content: "Send a payment request",
            trigger: 'button[name="action_vipps_request_payment"]',
        },
        {
            content: "Read who gets what",
            trigger: '.modal-content .o_field_widget[name="summary"]:contains("Kari Nordmann"):contains("249.50")',
            isCheck: true,
        },
        ...takePicture("send_payment_request", ".modal-content"),
        {
            content: "Send",
            trigger: 'button[name="action_send"]',
        },
        {
            content: "Read how many were sent",
            trigger: '.o_notification:contains("Payment requests sent: 1.")',
            isCheck: true,
        },
    ],
});
