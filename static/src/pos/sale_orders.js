/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { registry } from "@web/core/registry";
import { ConfirmPopup } from "@point_of_sale/app/utils/confirm_popup/confirm_popup";
import { PosStore } from "@point_of_sale/app/store/pos_store";

const FIELDS = ["vipps_till_amount", "vipps_till_warning"];

const fetcherPatch = {
    /**
     * Override to list what is left to pay of orders that are reserved or paid.
     */
    async _fetch() {
        const orders = await super._fetch(...arguments);
        const values = await this.orm.read(
            "sale.order",
            orders.map((order) => order.id),
            FIELDS
        );
        for (const { id, vipps_till_amount, vipps_till_warning } of values) {
            if (vipps_till_warning) {
                orders.find((order) => order.id === id).amount_unpaid = vipps_till_amount;
            }
        }
        return orders;
    },
};

const screenPatch = {
    /**
     * Override to warn of an order that is reserved or paid before money is taken for it.
     */
    async onClickSaleOrder(clickedOrder) {
        const [order] = await this.orm.read("sale.order", [clickedOrder.id], FIELDS);
        if (order.vipps_till_warning) {
            const { confirmed } = await this.popup.add(ConfirmPopup, {
                title: _t("Reserved or Paid with Vipps MobilePay"),
                body: order.vipps_till_warning,
                confirmText: _t("Open All the Same"),
                cancelText: _t("Back"),
            });
            if (!confirmed) {
                return;
            }
        }
        await super.onClickSaleOrder(...arguments);
    },
    /**
     * Override to take no more than what is left to pay as a down payment.
     */
    async _getSaleOrder(id) {
        const saleOrder = await super._getSaleOrder(...arguments);
        const [order] = await this.orm.read("sale.order", [id], FIELDS);
        if (order.vipps_till_warning) {
            saleOrder.amount_unpaid = order.vipps_till_amount;
        }
        return saleOrder;
    },
};

let isPatched = false;

patch(PosStore.prototype, {
    /**
     * Override to change what `pos_sale` adds to the till, where it is installed: all of its
     * modules are loaded by now.
     */
    async setup(env) {
        const Screen = registry.category("pos_screens").get("SaleOrderManagementScreen", null);
        const service = registry.category("services").get("sale_order_fetcher", null);
        if (Screen && service && !isPatched) {
            isPatched = true;
            patch(Screen.prototype, screenPatch);
            patch(service, {
                start() {
                    const fetcher = super.start(...arguments);
                    patch(fetcher, fetcherPatch);
                    return fetcher;
                },
            });
        }
        await super.setup(...arguments);
    },
});
