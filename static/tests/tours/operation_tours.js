/** @odoo-module **/

import { registry } from '@web/core/registry';

registry.category('web_tour.tours').add('vipps_capture_then_void', {
    test: true,
    steps: () => [
        {
            content: "Capture the payment of the order",
            trigger: 'button[name="payment_action_capture"]',
        },
        {
            content: "Capture a part of it only",
            trigger: 'div[name="amount_to_capture"] input',
            run: 'text 100',
        },
        {
            content: "Confirm",
            trigger: 'button[name="action_capture"]',
        },
        {
            content: "Wait until the window is closed, and release the rest",
            trigger: 'body:not(.modal-open) button[name="payment_action_void"]',
        },
        {
            content: "Be sure",
            trigger: '.modal-footer .btn-primary',
        },
        {
            content: "See that nothing is reserved anymore",
            trigger: '.o_form_view:not(:has(button[name="payment_action_void"]))',
            isCheck: true,
        },
    ],
});

registry.category('web_tour.tours').add('vipps_refund_payment', {
    test: true,
    steps: () => [
        {
            content: "Refund the payment",
            trigger: 'button[name="action_refund_wizard"]',
        },
        {
            content: "Refund a part of it only",
            trigger: 'div[name="amount_to_refund"] input',
            run: 'text 49.50',
        },
        {
            content: "Confirm",
            trigger: 'button[name="action_refund"]',
        },
        {
            content: "See the refund",
            trigger: 'button[name="action_view_refunds"] .o_stat_value:contains("1")',
            isCheck: true,
        },
    ],
});

registry.category('web_tour.tours').add('vipps_refund_credit_note', {
    test: true,
    steps: () => [
        {
            content: "Refund the credit note",
            trigger: 'button[name="action_vipps_refund"]',
        },
        {
            content: "Refund a part of it only",
            trigger: 'div[name="amount"] input',
            run: 'text 50',
        },
        {
            content: "Confirm",
            trigger: 'button[name="action_refund"]',
        },
        {
            content: "Refund the rest",
            trigger: 'body:not(.modal-open) button[name="action_vipps_refund"]',
        },
        {
            content: "Confirm",
            trigger: 'button[name="action_refund"]',
        },
        {
            content: "See that nothing is left to pay",
            trigger: '.o_form_view:not(:has(button[name="action_vipps_refund"])) .ribbon:contains("Paid")',
            isCheck: true,
        },
    ],
});

registry.category('web_tour.tours').add('vipps_backorder', {
    test: true,
    steps: () => [
        {
            content: "Choose how much is delivered",
            trigger: '.o_data_row td[name="quantity"]',
        },
        {
            content: "Deliver one of two",
            trigger: '.o_data_row td[name="quantity"] input',
            run: 'text 1',
        },
        {
            content: "Validate the delivery",
            trigger: 'button[name="button_validate"]',
        },
        {
            content: "Deliver the other one later",
            trigger: 'button[name="process"]',
        },
        {
            content: "See that it is delivered",
            trigger: '.o_arrow_button_current:contains("Done")',
            isCheck: true,
        },
    ],
});
