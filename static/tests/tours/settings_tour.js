/** @odoo-module **/

import { registry } from '@web/core/registry';

registry.category('web_tour.tours').add('vipps_settings', {
    test: true,
    steps: () => [
        {
            content: "Set the provider to test mode",
            trigger: '.o_field_radio[name="state"] input[data-value="test"]',
        },
        {
            content: "Enter the merchant serial number",
            trigger: 'div[name="vipps_merchant_serial_number"] input',
            run: 'text 123456',
        },
        {
            content: "Enter the client ID",
            trigger: 'div[name="vipps_client_id"] input',
            run: 'text 00000000-fa4e-4000-8000-000000123456',
        },
        {
            content: "Enter the client secret",
            trigger: 'div[name="vipps_client_secret"] input',
            run: 'text fake-client-secret-of-123456==',
        },
        {
            content: "Enter the subscription key",
            trigger: 'div[name="vipps_subscription_key"] input',
            run: 'text fake0subscription0key0123456001',
        },
        {
            content: "Test the connection",
            trigger: 'button[name="action_vipps_test_connection"]',
        },
        {
            content: "Read that the provider is connected",
            trigger: '.o_notification:contains("Connected: sales unit")',
            isCheck: true,
        },
        {
            content: "Set up the webhooks",
            trigger: 'button[name="action_vipps_set_up_webhooks"]',
        },
        {
            content: "Read where the events go",
            trigger: 'div[name="vipps_webhook_url"]:contains("/payment/vipps/webhook/")',
            isCheck: true,
        },
        {
            content: "Publish the provider",
            trigger: 'button[name="action_toggle_is_published"]:contains("Unpublished")',
        },
        {
            content: "See that it is published",
            trigger: 'button[name="action_toggle_is_published"] .text-success',
            isCheck: true,
        },
    ],
});
