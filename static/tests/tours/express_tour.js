/** @odoo-module **/

import { registry } from '@web/core/registry';

import { takePicture } from './take_picture';

registry.category('web_tour.tours').add('vipps_express', {
    test: true,
    url: '/shop',
    steps: () => [
        {
            content: "Choose the product",
            trigger: '.oe_product a:contains("Wool Sweater")',
        },
        {
            content: "See the button on the page of the product",
            trigger: '#product_detail button[name="vipps_express"]:visible',
            extra_trigger: '#add_to_cart',
            isCheck: true,
        },
        {
            content: "Put the product into the cart, which is shown then",
            trigger: '#add_to_cart',
        },
        ...takePicture('express_cart', '#o_cart_summary:has(button[name="vipps_express"])'),
        {
            content: "Buy it with one press",
            trigger: '#o_cart_summary button[name="vipps_express"]:contains("Buy now with Vipps")',
        },
        {
            content: "Be thanked for the order",
            trigger: 'h3:contains("Thank you for your order")',
            timeout: 30000, // Until then the browser goes through the pages of the simulator.
            isCheck: true,
        },
    ],
});

registry.category('web_tour.tours').add('vipps_express_enter', {
    test: true,
    url: '/shop',
    steps: () => [
        {
            content: "Choose the product",
            trigger: '.oe_product a:contains("Wool Sweater")',
        },
        {
            content: "Press Enter in the quantity, beside the button",
            trigger: '#product_detail input[name="add_qty"]',
            extra_trigger: '#product_detail button[name="vipps_express"]:visible',
            run() {
                this.$anchor[0].focus();
                window.pressVippsEnter('');
            },
        },
        {
            content: "See the cart, with the product in it",
            trigger: '#cart_products:contains("Wool Sweater")',
            isCheck: true,
        },
    ],
});
