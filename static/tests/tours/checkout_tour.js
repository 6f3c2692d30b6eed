/** @odoo-module **/

import { registry } from '@web/core/registry';

/**
 * Put the product into the cart and enter an address, as somebody who has no account.
 */
function goToPayment() {
    return [
        {
            content: "Choose the product",
            trigger: '.oe_product a:contains("Wool Sweater")',
        },
        {
            content: "Put it into the cart, which is shown then",
            trigger: '#add_to_cart',
        },
        {
            content: "Go to the checkout",
            trigger: 'a[href^="/shop/checkout"]',
        },
        {
            content: "Enter a name",
            trigger: 'input[name="name"]',
            run: 'text Kari Nordmann',
        },
        {
            content: "Enter an email address",
            trigger: 'input[name="email"]',
            run: 'text kari@example.com',
        },
        {
            content: "Enter a phone number",
            trigger: 'input[name="phone"]',
            run: 'text 98 76 54 32',
        },
        {
            content: "Enter a street",
            trigger: 'input[name="street"]',
            run: 'text Storgata 1',
        },
        {
            content: "Enter a postcode",
            trigger: 'input[name="zip"]',
            run: 'text 0155',
        },
        {
            content: "Enter a city",
            trigger: 'input[name="city"]',
            run: 'text Oslo',
        },
        {
            content: "Choose a country",
            trigger: 'select[name="country_id"]',
            run: 'text Norway',
        },
        {
            content: "Continue",
            trigger: '.a-submit:contains("Continue checkout")',
        },
    ];
}

/**
 * Pay. What the customer does at Vipps MobilePay is no part of the tour, which goes on afterwards.
 */
function pay() {
    return [
        {
            content: "Choose Vipps",
            trigger: 'input[name="o_payment_radio"][data-payment-method-code="vipps"]',
        },
        {
            content: "Pay",
            trigger: 'button[name="o_payment_submit_button"]:not(:disabled)',
            run: 'click',
        },
    ];
}

function seeThanks() {
    return {
        content: "Be thanked for the order",
        trigger: 'h3:contains("Thank you for your order")',
        extra_trigger: '.oe_website_sale_tx_status .alert-success',
        timeout: 30000, // Until then the browser goes through the pages of the simulator.
        isCheck: true,
    };
}

registry.category('web_tour.tours').add('vipps_pay', {
    test: true,
    url: '/shop',
    steps: () => [...goToPayment(), ...pay(), seeThanks()],
});

registry.category('web_tour.tours').add('vipps_abort_then_pay', {
    test: true,
    url: '/shop',
    steps: () => [
        ...goToPayment(),
        ...pay(),
        {
            content: "Read what happened",
            trigger: '[data-result="failed"]:contains("Nothing has been charged")',
            timeout: 30000,
            isCheck: true,
        },
        {
            content: "Find the payment page one click away",
            trigger: 'a:contains("Try Again")',
        },
        ...pay(),
        seeThanks(),
    ],
});
