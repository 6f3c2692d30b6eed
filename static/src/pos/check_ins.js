/** @odoo-module **/

import { reactive } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { PosBus } from "@point_of_sale/app/bus/pos_bus_service";
import { VippsAttempts } from "@mobilepay_vipps/pos/attempts_service";

// The bus is faster; it may be gone.
const POLLING_INTERVAL = 5000;
const NOTIFICATION_TIME = 8000;

patch(VippsAttempts.prototype, {
    setup() {
        super.setup(...arguments);
        // The customers who have scanned the sticker of this till and were not asked yet.
        this.waiting = reactive({ checkIns: [] });
        if (this.pos.config.vipps_sticker_method_ids?.length) {
            this.lookAtCheckIns();
            setInterval(() => this.lookAtCheckIns(), POLLING_INTERVAL);
        }
    },
    /**
     * Look at who has scanned the sticker: ask the customer that an order waits for, or let the
     * cashier know.
     */
    async lookAtCheckIns() {
        const known = this.waiting.checkIns.map((checkIn) => checkIn.id);
        try {
            this.waiting.checkIns = await this._call("vipps_list_check_ins");
        } catch {
            return; // The next look is soon.
        }
        const isNews = this.waiting.checkIns.some((checkIn) => !known.includes(checkIn.id));
        const lines = this.getLines().filter((line) => line.vipps_status.state === "scan");
        lines.forEach((line) => this.look(line));
        if (isNews && !lines.length) {
            this.sound.play("bell");
            this.notification.add(
                _t(
                    "A customer has scanned the sticker. Press Payment and Sticker to ask for the amount."
                ),
                NOTIFICATION_TIME
            );
        }
    },
    /**
     * Ask the customer that the cashier chose among those who have scanned the sticker.
     *
     * @param {Object} line
     * @param {number} id - the check-in
     */
    chooseCheckIn(line, id) {
        return this._operate(line, "choose", async (line) => {
            try {
                this.apply(await this.startByCheckIn(line.vipps_reference, id));
            } catch (error) {
                this._tellFailure(line, error);
            }
        });
    },
    /**
     * Forget a customer who has scanned the sticker and left.
     *
     * @param {number} id - the check-in
     */
    async dismissCheckIn(id) {
        try {
            await this._call("vipps_dismiss_check_in", id);
        } catch (error) {
            this.notification.add(this.getSentence(error), NOTIFICATION_TIME);
        }
        await this.lookAtCheckIns();
    },
});

patch(PosBus.prototype, {
    /**
     * Override to look at once who has scanned the sticker.
     */
    dispatch(message) {
        super.dispatch(...arguments);
        if (message.type === "VIPPS_CHECK_IN") {
            this.pos.env.services.vipps_attempts?.lookAtCheckIns();
        }
    },
});
