// SPDX-License-Identifier: MIT
// The line goes and comes: what the page says, what it sends again, and what it does not.
import { equal, ok } from "../lib.mjs";
import { message, pageTest, rename, say, seen, until } from "./browser.mjs";

const hubOn = (port) => ["hub", "--port", String(port)];

pageTest(
    "line: says that it is down, holds what is written, and comes back by itself",
    async (scene) => {
        const page = await scene.visit();
        await rename(page, "mara", { status: "busy", text: "writing" });
        await page.locator("#join-name").fill("den");
        await page.locator("#join-name").press("Enter");
        await page.locator("#room-title", { hasText: "den" }).waitFor();
        await say(page, "before");
        await message(page, "before").and(page.locator(".sent")).waitFor();
        const place = () => message(page, "before").evaluate((n) => n.getBoundingClientRect().top);
        const at = await place();
        const { port } = scene.hub;
        await scene.hub.end("SIGKILL");
        await page
            .locator("#down-words", {
                hasText: /^The line to the hub is down\. Trying again in \d+ s\.$/,
            })
            .waitFor();
        equal(
            await page.locator("#spoken").textContent(),
            "The line to the hub is down. The page goes on trying.",
            "spoken",
        );
        equal(await place(), at, "place of a message");
        equal(await page.locator("#me-state").innerText(), "offline", "state");
        for (const text of ["down 1", "down 2", "down 3"]) await say(page, text);
        equal(await page.locator(".own.sending").count(), 3, "sending");
        equal(
            await page.locator(".own.sending .tick").first().getAttribute("aria-label"),
            "sending",
            "tick",
        );
        await scene.replaceHub(hubOn(port));
        const wren = await scene.bot("wren", ["den", "lobby"]);
        await page.locator("#down").waitFor({ state: "hidden" });
        await until(page, () => document.querySelectorAll(".own.sent").length === 4);
        equal(await page.locator(".own.sending, .failed").count(), 0, "left over");
        await page.locator(".person", { hasText: "mara (you)" }).locator(".dot.busy").waitFor();
        const { history } = await wren.ask("history", { room: "den" });
        equal(
            history.map((m) => m.text),
            ["down 1", "down 2", "down 3"],
            "the hub's history",
        );
        equal(history[0].sender.name, "mara", "sender");
        equal(
            await page.locator(".bubble").evaluateAll((l) => l.map((b) => b.firstChild.data)),
            ["before", "down 1", "down 2", "down 3"],
            "order on the page",
        );
        const { rooms } = await wren.ask("rooms");
        equal(rooms.map((r) => `${r.name} ${r.members}`).sort(), ["den 2", "lobby 2"], "rooms");
        await wren.say("welcome back", "den");
        await seen(page, "welcome back");
    },
    { quiet: false },
);

pageTest(
    "line: the button tries at once",
    async (scene) => {
        const page = await scene.visit({ before: (p) => p.clock.install() });
        const { port } = scene.hub;
        await scene.hub.end();
        await page.locator("#try-now").waitFor();
        // A minute ahead the next attempt is due, and fails; then, with the clock held still, only
        // the button can end the wait.
        await page.clock.pauseAt(new Date(Date.now() + 60000));
        await page.locator("#down-words", { hasText: "Trying again in" }).waitFor();
        await scene.replaceHub(hubOn(port));
        await page.locator("#try-now").click();
        await page.locator("#down").waitFor({ state: "hidden" });
    },
    { quiet: false },
);

pageTest("line: waits grow and differ, up to fifteen seconds", async ({ visit }) => {
    const page = await visit();
    const waits = await page.evaluate(async () => {
        const { Line } = await import("./line.js");
        const Real = window.WebSocket;
        const waits = [];
        performance.now = () => 5000; // it stands still
        window.WebSocket = class {
            close() {}
        };
        const line = new Line(() => "ws://nowhere");
        for (let i = 0; i < 12; i++) {
            line.open();
            line.socket.onclose();
            waits.push((line.until - performance.now()) / 1000);
            clearInterval(line.counter);
        }
        window.WebSocket = Real;
        return waits;
    });
    waits.forEach((w, i) => {
        const longest = Math.min(15, 2 ** i);
        ok(w <= longest + 0.001 && w >= longest / 2 - 0.001, `wait ${i} is ${w}`);
    });
    ok(new Set(waits.slice(5).map((w) => w.toFixed(2))).size > 1, `no jitter: ${waits}`);
});

// Sits between page and hub; edit(packet) may return false to swallow what the hub answers.
const between = (page, edit, opened = () => {}) =>
    page.routeWebSocket(/\/ws\?/, (ws) => {
        const hub = ws.connectToServer();
        opened(ws, hub);
        ws.onMessage((m) => hub.send(m));
        hub.onMessage((m) => {
            const packet = JSON.parse(m);
            if (edit(packet, ws, hub) !== false) ws.send(JSON.stringify(packet));
        });
    });

pageTest(
    "line: a message whose answer was lost is not sent twice",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        let lost = 0;
        const page = await visit({
            before: (p) =>
                between(p, (packet, ws, hub) => {
                    if (lost || !packet.data?.id || !packet.data?.time || packet.event) return true;
                    lost++;
                    hub.close();
                    ws.close();
                    return false;
                }),
        });
        await say(page, "only once");
        await message(page, "only once").and(page.locator(".sent")).waitFor();
        await page.locator("#down").waitFor({ state: "hidden" });
        await say(page, "and on");
        await wren.heard("message", (m) => m.text === "and on");
        equal(lost, 1, "lost answers");
        equal(
            wren.all("message").map((m) => m.text),
            ["only once", "and on"],
            "at the bot",
        );
        equal(await page.locator(".msg").count(), 2, "on the page");
    },
    { quiet: false },
);

pageTest(
    "line: a hub that falls silent is noticed",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        let silent = false,
            opened = 0;
        const page = await visit({
            before: async (p) => {
                await p.clock.install();
                await between(
                    p,
                    () => !silent,
                    () => opened++,
                );
            },
        });
        silent = true;
        await say(page, "hello?");
        await page.locator(".own.sending").waitFor();
        await page.clock.fastForward(11000);
        await page.locator("#down").waitFor();
        silent = false;
        await page.clock.fastForward(5000);
        await message(page, "hello?").and(page.locator(".sent")).waitFor();
        ok(opened >= 2, `opened ${opened} times`);
        equal(wren.all("message").length, 1, "messages");
    },
    { quiet: false },
);

pageTest(
    "line: a message that the hub refuses can be sent again or removed",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        let refuse = true;
        const page = await visit({
            before: (p) =>
                between(p, (packet) => {
                    if (!refuse || packet.event || !packet.data?.id) return;
                    packet.data = {
                        ok: false,
                        error: { code: "forbidden", message: "not <today>" },
                    };
                }),
        });
        await say(page, "first");
        await page.locator(".failure", { hasText: "Not sent: not <today>" }).waitFor();
        await say(page, "second");
        await until(page, () => document.querySelectorAll(".failed").length === 2);
        refuse = false;
        await message(page, "first").getByRole("button", { name: "Send again" }).click();
        await message(page, "first").and(page.locator(".sent")).waitFor();
        equal(await message(page, "first").locator(".failure").count(), 0, "failures");
        await message(page, "second").getByRole("button", { name: "Remove" }).click();
        await until(page, () => document.querySelectorAll(".msg").length === 1);
        ok((await wren.heard("message", (m) => m.text === "first")).id, "no id");
    },
);

pageTest(
    "line: a hundred messages may wait, no more, and nothing written is lost",
    async (scene) => {
        const page = await scene.visit();
        const { port } = scene.hub;
        await scene.hub.end();
        await page.locator("#down").waitFor();
        for (let i = 0; i < 100; i++) await say(page, `m${i}.`);
        await say(page, "one too many");
        await page.locator("#notice", { hasText: "100 messages wait" }).waitFor();
        equal(await page.locator("#write").inputValue(), "one too many", "box");
        await scene.replaceHub(hubOn(port));
        const back = page.locator("#down").waitFor({ state: "hidden" });
        await Promise.any([page.locator("#try-now").click(), back]); // it may be back already
        await until(page, () => document.querySelectorAll(".own.sent").length === 100);
        const wren = await scene.bot("wren");
        const { history } = await wren.ask("history", { room: "lobby" });
        equal(
            history.map((m) => m.text),
            Array.from({ length: 100 }, (_, i) => `m${i}.`),
            "history",
        );
    },
    { quiet: false },
);

pageTest("line: a hub that refuses is quoted", async ({ visit }) => {
    const page = await visit({
        ready: false,
        before: (p) =>
            p.routeWebSocket(/\/ws\?/, (ws) => {
                ws.send(
                    JSON.stringify({
                        event: "error",
                        data: { code: "unauthorized", message: "members only" },
                    }),
                );
                ws.close({ code: 1008 });
            }),
    });
    await page.locator("#down-words", { hasText: "The hub refuses: members only." }).waitFor();
});

pageTest("line: what is no packet, or makes no sense, changes nothing", async ({ visit, bot }) => {
    const wren = await bot("wren");
    const junk = [
        "",
        "[]",
        "null",
        "7",
        "{",
        '{"ack":99,"data":{}}',
        '{"event":7}',
        '{"event":"message"}',
        '{"event":"message","data":null}',
        '{"event":"message","data":{"room":"lobby"}}',
        '{"event":"presence","data":{}}',
        '{"event":"presence","data":{"kind":"join","room":"nowhere","member":null}}',
        '{"event":"read","data":{"room":"lobby","ids":7}}',
        '{"event":"typing","data":{"room":"lobby","user":null}}',
        '{"event":"message","data":{"room":"lobby","text":{"a":1},"sender":null,"time":"x"}}',
        '{"event":"trace","data":3}',
        '{"event":"__proto__","data":{}}',
    ];
    const page = await visit({
        before: (p) =>
            p.routeWebSocket(/\/ws\?/, (ws) => {
                const hub = ws.connectToServer();
                ws.onMessage((m) => hub.send(m));
                hub.onMessage((m) => {
                    ws.send(m);
                    if (m.includes('"history"')) for (const j of junk) ws.send(j);
                });
            }),
    });
    await wren.say("still fine");
    await seen(page, "still fine");
});

pageTest(
    "line: compressed by a browser that offers it and a hub that takes it",
    async (scene) => {
        const page = await scene.visit();
        const wren = await scene.bot("wren");
        const text = "the same words again and again ".repeat(120).trim();
        const heard = page.evaluate(
            (wanted) =>
                new Promise((resolve) => {
                    const url = new URL("/socket.io/?EIO=4&transport=websocket", location.href);
                    url.protocol = "ws:";
                    const s = new WebSocket(url);
                    let said = 0;
                    s.onmessage = ({ data }) => {
                        if (data[0] === "0") s.send('40{"name":"chrome"}');
                        if (data.startsWith("40")) s.send('420["join",{"room":"lobby"}]');
                        if (data.startsWith("430"))
                            s.send(`421["message",${JSON.stringify({ room: "lobby", text: wanted })}]`);
                        if (data.includes("from wren")) said = data.length;
                        if (said) resolve({ extensions: s.extensions, said });
                    };
                }),
            text,
        );
        const own = await wren.heard("message", (m) => m.text === text);
        ok(own, "what the browser sent, whole");
        await wren.ask("message", { room: "lobby", text: `${text} from wren` });
        const { extensions, said } = await heard;
        ok(/permessage-deflate/.test(extensions), `agreed: ${extensions}`);
        ok(said > text.length, "what the hub sent, whole");
        await message(page, "from wren").waitFor();
    },
    { args: ["--set=hub.compress=true"] },
);
