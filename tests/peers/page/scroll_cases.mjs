// SPDX-License-Identifier: MIT
// Many messages: the place that one reads stays, the end stays in sight, memory is bounded.
import { equal, ok } from "../lib.mjs";
import { message, pageTest, say, seen, setHidden, until } from "./browser.mjs";

const atEnd = () => {
    const box = document.querySelector("#scroll");
    return box.scrollHeight - box.scrollTop - box.clientHeight < 2;
};

const farUp = () => {
    const box = document.querySelector("#scroll");
    return box.scrollHeight - box.scrollTop - box.clientHeight > 300;
};

pageTest("scroll: follows at the end, stays while one reads further up", async ({ visit, bot }) => {
    const wren = await bot("wren");
    for (let i = 0; i < 60; i++) await wren.say(`line ${i}.`);
    const page = await visit({ before: (p) => p.clock.install() });
    await seen(page, "line 59.");
    await until(page, atEnd);
    await wren.say("at the end");
    await seen(page, "at the end");
    await until(page, atEnd);
    await page.locator("#scroll").hover();
    await page.mouse.wheel(0, -600);
    await until(page, farUp);
    const top = () => message(page, "line 40.").evaluate((n) => n.getBoundingClientRect().top);
    const before = await top();
    const { id } = await wren.say("below one");
    await wren.say("below two");
    await page.locator("#newer", { hasText: "2 new messages" }).waitFor();
    equal(await top(), before, "place");
    await setHidden(page, true);
    await setHidden(page, false);
    await page.clock.fastForward(1000); // a read mark would be on its way now, before the typing
    await page.locator("#write").pressSequentially("x");
    await wren.heard("typing");
    equal(wren.all("read").filter((r) => r.ids.includes(id)).length, 0, "read out of sight");
    await page.locator("#newer").click();
    await until(page, atEnd);
    await wren.heard("read", (r) => r.ids.includes(id));
    await page.locator("#newer").waitFor({ state: "hidden" });
    await page.mouse.wheel(0, -600);
    await until(page, farUp);
    await say(page, "mine");
    await until(page, atEnd);
});

pageTest(
    "scroll: the end stays in sight when the window or the box changes",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        for (let i = 0; i < 40; i++) await wren.say(`line ${i}.`);
        const page = await visit();
        await seen(page, "line 39.");
        await page.setViewportSize({ width: 500, height: 420 });
        await until(page, atEnd);
        await page.locator("#write").fill("a\nb\nc\nd\ne");
        await until(page, atEnd);
        await page.locator("#tab-events").click();
        await page.locator("#tab-chat").click();
        await until(page, atEnd);
    },
);

pageTest("scroll: 10,000 messages at most are kept, in all rooms together", async ({ visit }) => {
    const page = await visit();
    const counts = await page.evaluate(async () => {
        const { Chat, MAX_MESSAGES } = await import("./chat.js");
        const line = new EventTarget();
        Object.assign(line, {
            state: "ready",
            send: () => true,
            request: async (event, { room }) => ({
                ok: true,
                room,
                members: [],
                history: [],
                rooms: [],
            }),
        });
        const chat = new Chat(line);
        const tell = (name, detail) => line.dispatchEvent(new CustomEvent(name, { detail }));
        chat.go("den");
        chat.go("lobby");
        const sender = { id: "w", name: "wren" };
        for (let i = 0; i < MAX_MESSAGES + 500; i++) {
            const room = i % 10 ? "lobby" : "den";
            tell("hub:message", { id: i, room, text: `no ${i}.`, time: 1e9 + i, sender });
        }
        const [lobby, den] = [chat.rooms.get("lobby"), chat.rooms.get("den")];
        return {
            den: den.messages.length,
            lobby: lobby.messages.length,
            total: chat.total,
            known: den.known.size + lobby.known.size,
            waiting: lobby.toRead.length,
            last: lobby.messages.at(-1).text,
        };
    });
    equal(counts.den, 1050, "the small room");
    ok(counts.total <= 10000 && counts.total > 9800, `kept ${counts.total}`);
    equal([counts.den + counts.lobby, counts.known], [counts.total, counts.total], "counts agree");
    ok(counts.waiting <= 1000, `read marks that wait: ${counts.waiting}`);
    equal(counts.last, "no 10499.", "the newest");
});

pageTest(
    "scroll: of many messages few are elements, and earlier ones come back",
    async ({ visit }) => {
        const page = await visit({
            before: (p) =>
                p.routeWebSocket(/\/ws\?/, (ws) => {
                    const tell = (packet) => ws.send(JSON.stringify(packet));
                    const text = (i) => ({
                        id: i,
                        room: "lobby",
                        text: `no ${i}.`,
                        time: 1e9 + i,
                        sender: { id: "w", name: "wren" },
                    });
                    ws.onMessage((m) => {
                        const { event, ack } = JSON.parse(m);
                        const history = event === "join" ? [text(0)] : undefined;
                        if (ack)
                            tell({
                                ack,
                                data: {
                                    ok: true,
                                    members: [{ id: "w", name: "wren" }],
                                    history,
                                    rooms: [],
                                },
                            });
                        if (event === "join")
                            for (let i = 1; i <= 1500; i++)
                                tell({ event: "message", data: text(i) });
                    });
                    tell({ event: "session", data: { user: { id: "me", name: "me" } } });
                }),
        });
        await seen(page, "no 1500.");
        const count = () => page.locator("#log").evaluate((l) => l.childElementCount);
        ok((await count()) <= 402, `${await count()} elements`);
        const first = () =>
            page
                .locator(".msg .bubble")
                .first()
                .evaluate((b) => Number(/\d+/.exec(b.textContent)[0]));
        const before = await first();
        const anchor = message(page, `no ${before}.`);
        await page.locator("#scroll").evaluate((b) => {
            b.scrollTop = 30;
        });
        await until(
            page,
            (n) =>
                Number(/\d+/.exec(document.querySelector(".msg .bubble").textContent)[0]) ===
                n - 150,
            before,
        );
        const place = await anchor.evaluate(
            (n) =>
                n.getBoundingClientRect().top -
                document.querySelector("#scroll").getBoundingClientRect().top,
        );
        ok(place > -60 && place < 200, `what one reads is at ${place}`);
        for (let n = before - 150; n > 0; n = await first()) {
            await page.locator("#scroll").evaluate((b) => {
                b.scrollTop = 0;
            });
            await until(
                page,
                (was) =>
                    Number(/\d+/.exec(document.querySelector(".msg .bubble").textContent)[0]) < was,
                n,
            );
        }
        ok(await page.locator("#earlier").isHidden(), "more before the first");
        await page.locator("#scroll").evaluate((b) => {
            b.scrollTop = b.scrollHeight;
        });
        await until(page, atEnd);
    },
);
