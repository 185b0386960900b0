// SPDX-License-Identifier: MIT
// What the page's cases share: one browser, hubs, visitors with a window each, and bots on the stock
// Socket.IO client. Everything of a case ends with it; a console error or a broken rule of the
// Content-Security-Policy fails the case.
import { chromium } from "playwright-core";
import { io } from "socket.io-client";
import { LIMIT, hub as startHub, once, start, test, within } from "../lib.mjs";

export const linnet = process.argv[2] ?? process.env.LINNET_BIN ?? "build/linnet";

let browser;
async function open() {
    browser ??= chromium.launch({
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        args: [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    });
    return browser;
}

// A case with a hub of its own: fn({url, hub, visit, bot}).
export function pageTest(name, fn, { args = [], quiet = true } = {}) {
    test(name, async () => {
        const ends = [];
        const errors = [];
        const hubs = [];
        try {
            const scene = new Scene(ends, errors, hubs);
            scene.take(await startHub(linnet, args));
            await fn(scene);
            if (quiet && errors.length)
                throw new Error(`the page complains:\n${errors.join("\n")}`);
        } finally {
            for (const end of ends.reverse()) await end().catch(() => {});
        }
        for (const hub of hubs) {
            const fault = /(Sanitizer|runtime error).*/.exec(hub.err());
            if (fault) throw new Error(`the hub: ${fault[0]}\n${hub.err()}`);
        }
    });
}

export class Scene {
    constructor(ends, errors, hubs) {
        Object.assign(this, { ends, errors, hubs });
        this.visit = this.visit.bind(this); // so that a case can take them out of the scene
        this.bot = this.bot.bind(this);
    }

    take(hub) {
        this.hub = hub;
        this.url = hub.match[0];
        this.hubs.push(hub);
        this.ends.push(() => hub.end());
    }

    // Another process in the hub's place.
    async replaceHub(args, options) {
        this.take(await start(linnet, args, /http:\/\/[0-9.]+:(\d+)/, options));
    }

    // A person with a browser of their own: a window on the hub's page, in the room already.
    async visit({ path = "/", ready = true, before, ...options } = {}) {
        const context = await (
            await open()
        ).newContext({
            viewport: { width: 1200, height: 760 },
            locale: "en-GB",
            ...options,
        });
        this.ends.push(() => context.close());
        const page = await context.newPage();
        await this.watch(page);
        await before?.(page);
        await page.goto(this.url + path);
        if (ready)
            await page
                .locator("#room-count", { hasText: /person|people/ })
                .waitFor({ state: "attached" });
        return page;
    }

    async watch(page) {
        page.setDefaultTimeout(LIMIT);
        page.on("pageerror", (e) => this.errors.push(String(e.stack)));
        page.on(
            "console",
            (m) => ["error", "warning"].includes(m.type()) && this.errors.push(m.text()),
        );
        page.on("dialog", (d) => {
            this.errors.push(`a dialog: ${d.message()}`);
            d.dismiss();
        });
        await page.addInitScript(() => {
            addEventListener("securitypolicyviolation", (e) =>
                console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`),
            );
        });
    }

    // A stock Socket.IO client in rooms: {ask(event, data) -> answer, heard(event, test) -> data}.
    async bot(name, rooms = ["lobby"], auth = {}) {
        const socket = io(this.url, {
            transports: ["websocket"],
            forceNew: true,
            reconnection: false,
            auth: { name, id: `bot-${name}`, ...auth },
        });
        this.ends.push(async () => socket.close());
        const log = [];
        const waiting = new Set();
        socket.onAny((event, data) => {
            log.push({ event, data });
            for (const look of waiting) look();
        });
        await once(socket, "session");
        const bot = {
            name,
            socket,
            log,
            ask: (event, data = {}) =>
                within(new Promise((r) => socket.emit(event, data, r)), `${event} of ${name}`),
            say: (text, room = rooms[0]) => bot.ask("message", { room, text }),
            all: (event) => log.filter((l) => l.event === event).map((l) => l.data),
            heard(event, fits = () => true) {
                return within(
                    new Promise((resolve) => {
                        const look = () => {
                            const found = bot.all(event).find(fits);
                            if (!found) return;
                            waiting.delete(look);
                            resolve(found);
                        };
                        waiting.add(look);
                        look();
                    }),
                    `${name} to hear ${event}`,
                );
            },
        };
        for (const room of rooms) {
            const answer = await bot.ask("join", { room });
            if (!answer.ok)
                throw new Error(`${name} could not join ${room}: ${JSON.stringify(answer)}`);
        }
        return bot;
    }
}

// --- what one does and sees on the page ---

export async function say(page, text) {
    await page.locator("#write").fill(text);
    await page.locator("#write").press("Enter");
}

export const message = (page, text) => page.locator(".msg", { hasText: text });
export const seen = (page, text) => message(page, text).first().waitFor();

export async function rename(page, name, { status, text } = {}) {
    await page.locator("#me").click();
    await page.locator("#profile-name").fill(name);
    if (status) await page.locator(`label:has([value="${status}"])`).click();
    if (text !== undefined) await page.locator("#profile-text").fill(text);
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator("#profile").waitFor({ state: "hidden" });
}

export async function join(page, room) {
    await page.locator("#join-name").fill(room);
    await page.locator("#join-name").press("Enter");
    await page.locator("#room-title", { hasText: room }).waitFor();
    await page.locator("#room-count", { hasText: /person|people/ }).waitFor();
}

// Waits until fn, run in the page, is true.
export const until = (page, fn, arg) => page.waitForFunction(fn, arg, { timeout: LIMIT });

// Makes the page believe that its tab is in the background, or in front again.
export function setHidden(page, hidden) {
    return page.evaluate((h) => {
        Object.defineProperty(document, "visibilityState", {
            value: h ? "hidden" : "visible",
            configurable: true,
        });
        document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
}
