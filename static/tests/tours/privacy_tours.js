/** @odoo-module **/

import { registry } from '@web/core/registry';
import { takePicture } from '@mobilepay_vipps/../tests/tours/take_picture';

registry.category('web_tour.tours').add('vipps_personal_data', {
    test: true,
    steps: () => [
        {
            content: "Ask what is known of the contact",
            trigger: 'button[name="action_vipps_personal_data"]',
        },
        {
            content: "Read it",
            trigger: 'div[name="content"]:contains("+4790000001")',
            isCheck: true,
        },
        {
            content: "Read what stays when it is erased",
            trigger: 'div[name="what_stays"]:contains("part of the accounts")',
            isCheck: true,
        },
        ...takePicture('personal_data', '.modal-content'),
        {
            content: "Export it",
            trigger: 'button[name="action_export"]',
        },
        {
            content: "Erase it",
            trigger: 'button[name="action_erase"]',
        },
        {
            content: "Be sure",
            trigger: '.modal-footer .btn-primary:not([name])',
        },
        {
            content: "See that nothing of it is left",
            trigger: 'div[name="content"]:contains("Erased"):not(:contains("+4790000001"))',
            isCheck: true,
        },
        {
            content: "Close the window",
            trigger: 'button[special="cancel"]',
        },
        {
            content: "See the contact again",
            trigger: 'body:not(.modal-open) .o_form_view',
            isCheck: true,
        },
    ],
});
