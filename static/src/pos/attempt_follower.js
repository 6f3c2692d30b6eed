/** @odoo-module **/

import { EventBus } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { ConnectionLostError, RPCError } from "@web/core/network/rpc_service";
import { delay } from "@web/core/utils/concurrency";
import { Payment } from "@point_of_sale/app/store/models";
import { PaymentScreen } from "@point_of_sale/app/screens/payment_screen/payment_screen";

const POLLING_INTERVAL = 2000;
// How long the server gets to find out on its own before it is asked to start again.
const START_INTERVAL = 15000;
// Connections can hang for minutes without failing.
const ANSWER_TIMEOUT = 30000;
const NOTIFICATION_TIME = 8000;

// Errors that say what to do, and that nothing was done.
const REFUSALS = ["UserError", "ValidationError", "AccessError"].map(
    (name) => `odoo.exceptions.${name}`
);

export const OPEN_STATES = ["waiting", "scan", "unknown"];
const DONE_STATES = ["paid", "refunded"];
const ENDED_STATES = ["unpaid", "returned"];

/**
 * Follows all attempts that are open, whichever order they belong to and whatever is on the screen.
 * The server holds their state: the lines show what it said last.
 */
export class AttemptFollower {
    constructor(env, { pos, orm, pos_notification, sound }) {
        this.env = env;
        this.pos = pos;
        this.orm = orm;
        this.notification = pos_notification;
        this.sound = sound;
        this.bus = new EventBus();
        // By the uuid of the line: what runs for it, reads that run, and what can be started again.
        this.operations = new Map();
        this.reads = new Map();
        this.starts = new Map();
        this.setup();
        setInterval(() => this.lookAtOpenLines(), POLLING_INTERVAL);
    }

    /**
     * Prepare what other files add to the service.
     */
    setup() {}

    //#region Finding

    getLines() {
        return [...this.pos.orders]
            .filter((order) => !order.finalized && !order.locked)
            .flatMap((order) => [...order.get_vipps_lines()]);
    }
    /**
     * Return a line by its durable key: orders that are synchronized get new lines.
     */
    findLine(uuid) {
        return this.getLines().find((line) => line.vipps_uuid === uuid);
    }
    findOrder(name) {
        return this.pos.orders.find((order) => order.name === name);
    }

    //#endregion
    //#region Following

    lookAtOpenLines() {
        const lines = this.getLines();
        for (const uuid of this.starts.keys()) {
            if (!lines.some((line) => line.vipps_uuid === uuid)) {
                this.starts.delete(uuid);
            }
        }
        for (const line of lines) {
            if (line.is_vipps_open()) {
                this.look(line);
            }
        }
        this._removeDrafts();
    }
    async lookAtReference(reference) {
        const line = this.getLines().find((line) => line.vipps_reference === reference);
        if (line) {
            await this.reads.get(line.vipps_uuid);
            await this.look(line);
        }
    }
    /**
     * Show what the server knows of an attempt; one read at a time, and none while something else
     * is done with it.
     */
    look(line) {
        const uuid = line.vipps_uuid;
        if (!this.reads.has(uuid) && !this.operations.has(uuid)) {
            this.reads.set(
                uuid,
                this._look(line).finally(() => this.reads.delete(uuid))
            );
        }
        return this.reads.get(uuid);
    }
    async _look(line) {
        const start = this.starts.get(line.vipps_uuid);
        try {
            if (!start && !line.vipps_reference) {
                await this._resume(line.order);
                return;
            }
            let status;
            if (start && Date.now() >= start.next) {
                status = await this._start(start);
            } else if (line.vipps_reference) {
                status = await this._read(line);
                if (status.state === "scan" && status.is_ready) {
                    status = await this.startByCheckIn(status.reference);
                } else if (status.is_bound) {
                    // The till went away between both calls.
                    const run = () => this.startByCheckIn(status.reference);
                    this.starts.set(line.vipps_uuid, { run, next: 0 });
                }
            }
            if (status && !this.operations.has(line.vipps_uuid)) {
                this.apply(status);
            }
        } catch (error) {
            this._tellFailure(line, error);
        }
    }
    _read(line) {
        const { flow, qr } = line.vipps_status;
        const needsQr = !qr && (!flow || flow === "qr");
        return this._call("vipps_get_attempt", line.vipps_reference, needsQr);
    }
    /**
     * Ask the customer who has scanned the sticker: the first call binds that customer to the
     * order, the second one asks, and may be repeated.
     *
     * @param {string} reference
     * @param {number|boolean} [checkIn] - the id of the one that the cashier chose
     */
    async startByCheckIn(reference, checkIn = false) {
        const line = this.getLines().find((line) => line.vipps_reference === reference);
        const wasBound = line?.vipps_status.is_bound;
        const start = () => this._call("vipps_start_attempt", reference, false, checkIn);
        const status = await start();
        return status.is_bound && !wasBound ? start() : status;
    }
    async _start(start) {
        start.next = Date.now() + START_INTERVAL;
        try {
            return await start.run();
        } catch (error) {
            if (error instanceof ConnectionLostError) {
                start.next = 0;
            }
            throw error;
        }
    }
    _tellFailure(line, error) {
        if (error instanceof ConnectionLostError) {
            line.vipps_status.is_offline = true;
        } else {
            line.vipps_status.message = this.getSentence(error);
        }
    }
    /**
     * Let an order show what the server holds of it: after a reload, when it is taken over from
     * another till, and whenever somebody opens its payment screen.
     */
    async resume(order) {
        if (!order.server_id && !order.get_vipps_lines().length) {
            return;
        }
        try {
            await this._resume(order);
        } catch (error) {
            if (!(error instanceof ConnectionLostError || error instanceof RPCError)) {
                throw error;
            }
        }
    }
    async _resume(order) {
        const statuses = await this._listAttempts(order);
        if (order.finalized || order.locked) {
            return;
        }
        const isIdle = (uuid) => !this.operations.has(uuid) && !this.starts.has(uuid);
        for (const status of statuses.filter((status) => isIdle(status.uuid))) {
            const line = this.findLine(status.uuid) || this._addLine(order, status);
            if (line?.payment_status === "done" && status.state === "unknown") {
                // It was paid, and somebody is giving it back: until that is known it is not paid.
                line.vipps_status.is_announced = true;
                line.set_payment_status("waitingCard");
            }
            this.apply(status, line);
        }
        const uuids = statuses.map((status) => status.uuid);
        for (const line of order.get_vipps_lines()) {
            if (uuids.includes(line.vipps_uuid) || !isIdle(line.vipps_uuid)) {
                continue;
            }
            if (line.vipps_reference) {
                this.apply(await this._read(line));
            } else if (line.is_vipps_open()) {
                line.vipps_status.message = _t("Nothing was started. Ask for the payment again.");
                line.set_payment_status("retry");
            }
        }
    }
    _addLine(order, status) {
        const method = this.pos.payment_methods_by_id[status.method_id];
        if (!method) {
            return undefined; // It is not for this till.
        }
        const line = new Payment(
            { env: this.env },
            { order, payment_method: method, pos: this.pos }
        );
        line.vipps_uuid = status.uuid;
        line.set_amount(status.amount);
        line.set_payment_status("waiting");
        order.paymentlines.add(line);
        order.select_paymentline(line);
        return this.findLine(status.uuid);
    }
    /**
     * Show a status on its line. What is decided is never undone by a late answer.
     *
     * @param {Object} status - what the server says
     * @param {Object} [line]
     */
    apply(status, line = this.findLine(status.uuid)) {
        if (!line || (line.is_done() && OPEN_STATES.includes(status.state))) {
            return;
        }
        const isNews = !line.is_done() && !line.vipps_status.is_announced;
        const isOpen = OPEN_STATES.includes(status.state);
        // Key by key, so that only what changes is drawn again.
        Object.assign(line.vipps_status, {
            state: status.state,
            flow: status.flow,
            message: status.message,
            is_captured: status.is_captured,
            is_offline: false,
            check_ins: status.check_ins,
            is_bound: status.is_bound,
            seconds_left: status.seconds_left,
            minutes_left: Math.ceil(status.seconds_left / 60),
            qr: isOpen && (status.qr || line.vipps_status.qr),
        });
        if (status.push_refused) {
            line.payment_method.vipps_push_refused = true;
        }
        line.vipps_reference = ENDED_STATES.includes(status.state) ? "" : status.reference;
        if (status.state !== "unknown") {
            this.starts.delete(line.vipps_uuid);
        }
        if (isOpen) {
            line.set_payment_status("waitingCard");
            return;
        }
        if (DONE_STATES.includes(status.state)) {
            this._setDone(line, status);
        } else {
            this._setEnded(line);
        }
        if (isNews && DONE_STATES.includes(status.state)) {
            this._announce(line);
        }
    }
    _setDone(line, status) {
        if (line.amount !== status.amount) {
            line.set_amount(status.amount);
        }
        line.ticket = status.ticket;
        line.transaction_id = status.reference;
        line.card_type = line.payment_method.name;
        line.can_be_reversed = status.state === "paid";
        line.set_payment_status("done");
    }
    /**
     * Let a line ask again, or make room for another payment method.
     */
    _setEnded(line) {
        // Nothing looks like a payment anymore, on the receipt neither.
        Object.assign(line, { ticket: "", transaction_id: "", card_type: "" });
        line.can_be_reversed = false;
        line.set_payment_status("retry");
    }
    _announce(line) {
        const { order } = line;
        line.vipps_status.is_announced = true;
        this.sound.play("bell");
        const isShown =
            this.pos.mainScreen.component === PaymentScreen &&
            this.pos.get_order()?.uid === order.uid;
        if (isShown) {
            this.bus.trigger("done", { order });
        } else {
            const values = {
                order: order.name,
                amount: this.env.utils.formatCurrency(Math.abs(line.amount)),
                method: line.payment_method.name,
            };
            this.notification.add(
                line.amount > 0
                    ? _t("%(order)s: the customer has paid %(amount)s with %(method)s.", values)
                    : _t("%(order)s: %(amount)s was refunded with %(method)s.", values),
                NOTIFICATION_TIME
            );
        }
    }

    //#endregion
    //#region The server

    /**
     * Return the statuses of an order. Two orders may have the same number, but not the same id.
     */
    _listAttempts(order) {
        return this._call("vipps_list_attempts", [order.name], order.server_id || false);
    }
    _call(method, ...args) {
        const answer = this.orm.silent.call("pos.session", method, [
            [this.pos.pos_session.id],
            ...args,
        ]);
        const timeout = delay(ANSWER_TIMEOUT).then(() => {
            throw new ConnectionLostError(method);
        });
        return Promise.race([answer, timeout]);
    }
    /**
     * Delete drafts of orders that were deleted here; core does so only for shared orders.
     */
    async _removeDrafts() {
        const ids = this.pos.db.get_ids_to_remove_from_server();
        if (this.isRemoving || !ids.length || this.pos.isOpenOrderShareable()) {
            return;
        }
        this.isRemoving = true;
        try {
            await this.orm.silent.call("pos.order", "remove_from_ui", [ids]);
            this.pos.db.set_ids_removed_from_server(ids);
        } catch (error) {
            if (!(error instanceof ConnectionLostError)) {
                this.pos.db.set_ids_removed_from_server(ids);
                throw error;
            }
        } finally {
            this.isRemoving = false;
        }
    }
    _isRefusal(error) {
        return error instanceof RPCError && REFUSALS.includes(error.exceptionName);
    }
    /**
     * Return what a person reads of an error.
     */
    getSentence(error) {
        if (error instanceof ConnectionLostError) {
            return _t("No internet connection. Try again later.");
        }
        return this._isRefusal(error)
            ? error.data.message
            : _t("Something went wrong. Try again, or use another payment method.");
    }

    //#endregion
}
