// SPDX-License-Identifier: MIT
// The Events tab. Its hub is that of `linnet dev`, whose script takes every message.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as pathJoin } from "node:path";
import { LIMIT, equal, ok } from "../lib.mjs";
import { pageTest, say, until } from "./browser.mjs";

// A case whose hub is `linnet dev` with a script.
function devTest(name, fn) {
    pageTest(name, async (scene) => {
        const folder = mkdtempSync(pathJoin(tmpdir(), "linnet-page-"));
        scene.ends.push(async () => rmSync(folder, { recursive: true, force: true }));
        writeFileSync(
            pathJoin(folder, "bot.lua"),
            [
                `local linnet = require "linnet"`,
                `local chat = linnet.connect("hub", { auth = { name = "wren" } })`,
                `local lobby = chat:room("lobby")`,
                `lobby:on("message", function(msg)`,
                `  if msg.text == "hi" then lobby:send("Hello, " .. msg.sender.name .. "!") end`,
                `end)`,
                `chat:join("lobby")`,
                "",
            ].join("\n"),
        );
        await scene.hub.end();
        await scene.replaceHub(["dev", "bot.lua", "--port", "0"], { cwd: folder });
        await fn(scene);
    });
}

const rows = (page, text) => page.locator("#ev-rows tr", { hasText: text });
const openTab = async (page) => {
    await page.locator("#tab-events").click();
    await page.locator("#ev-empty", { hasText: "No event yet" }).waitFor();
};

devTest("events: one row an event, with all that is known of it", async ({ visit, bot }) => {
    const kari = await bot("kari");
    const page = await visit();
    await openTab(page);
    await kari.say("a word in the air");
    const row = page.locator("#ev-rows tr.in", { hasText: "a word in the air" }).first();
    await row.waitFor();
    const cell = (name) => row.locator(`.${name}`).innerText();
    ok(/^\d\d:\d\d:\d\d\.\d\d\d$/.test(await cell("time")), `time ${await cell("time")}`);
    equal(
        [await cell("conn"), await cell("what"), await cell("place"), await cell("from")],
        ["hub", "message", "lobby", "kari"],
        "connection, name, room, who",
    );
    ok(/^\d+ B$/.test(await cell("num")), `size ${await cell("num")}`);
    equal(await cell("text"), "“a word in the air”", "content");
    await kari.say("x".repeat(300));
    ok(/^“x+…$/.test(await rows(page, "xxx").first().locator(".text").innerText()), "a long text");
    equal(await row.locator(".way .hide").textContent(), "received", "direction in words");
    await page.locator("#ev-rows tr.out", { hasText: "a word in the air" }).first().waitFor();
    equal(await rows(page, "ping").or(rows(page, "pong")).count(), 0, "heartbeats");
});

devTest("events: the handler that took an event is named", async ({ visit }) => {
    const page = await visit();
    await openTab(page);
    await page.locator("#tab-chat").click();
    await say(page, "hi");
    await page.locator(".msg", { hasText: "Hello, guest" }).waitFor();
    await page.locator("#tab-events").click();
    await page
        .locator("#ev-rows tr .by", { hasText: /^bot\.lua:\d+/ })
        .first()
        .waitFor();
});

devTest("events: filter, pause and clear", async ({ visit, bot }) => {
    const kari = await bot("kari");
    const page = await visit();
    await openTab(page);
    await kari.say("apples");
    await kari.say("pears");
    await rows(page, "pears").first().waitFor();
    await page.locator("#ev-filter").fill("APPLES -typing");
    await until(page, () => {
        const texts = [...document.querySelectorAll("#ev-rows tr")].map((r) => r.textContent);
        return texts.length > 0 && texts.every((t) => t.includes("apples"));
    });
    ok(/^\d+ of \d+$/.test(await page.locator("#ev-count").innerText()), "count");
    await page.locator("#ev-filter").fill("message -apples");
    await rows(page, "pears").first().waitFor();
    equal(await rows(page, "apples").count(), 0, "apples");
    await page.locator("#ev-filter").fill("nothing has this");
    await page.locator("#ev-empty", { hasText: "No event has these words." }).waitFor();
    await page.locator("#ev-filter").fill("");
    await page.locator("#ev-pause").click();
    equal(await page.locator("#ev-pause").getAttribute("aria-pressed"), "true", "pressed");
    await kari.say("plums");
    await page.locator("#ev-newer", { hasText: /\d+ new events?/ }).waitFor();
    equal(await rows(page, "plums").count(), 0, "rows while paused");
    await page.locator("#ev-pause").click();
    await rows(page, "plums").first().waitFor();
    await page.locator("#ev-newer").waitFor({ state: "hidden" });
    await page.locator("#ev-clear").click();
    equal(await page.locator("#ev-rows tr").count(), 0, "rows after clear");
    await kari.say("cherries");
    await rows(page, "cherries").first().waitFor();
});

devTest("events: a thousand rows at most; what one reads does not move", async ({ visit, bot }) => {
    const bots = [];
    for (const n of "abcdefg") bots.push(await bot(n));
    const page = await visit();
    await openTab(page);
    // In rounds: records are the first thing that the hub drops for a page that cannot keep up.
    const count = () => page.locator("#ev-rows tr").count();
    // Each is acknowledged before the next, so that a slow page is not outrun.
    const typing = (b) => b.socket.timeout(LIMIT).emitWithAck("typing", { room: "lobby", on: true });
    for (let round = 0; round < 60 && (await count()) < 1000; round++) {
        const before = await count();
        for (let i = 0; i < 5; i++) await Promise.all(bots.map(typing));
        // Rows of the round before may have filled it meanwhile: a full one grows no more.
        const least = Math.min(before, 999);
        await until(page, (n) => document.querySelectorAll("#ev-rows tr").length > n, least);
    }
    await bots[0].say("the last of them");
    await rows(page, "the last of them").first().waitFor();
    equal(await count(), 1000, "rows");
    await page.locator("#ev-scroll").evaluate((b) => {
        b.scrollTop = 4000;
    });
    await until(page, () => document.querySelector("#ev-scroll").scrollTop === 4000);
    const look = () =>
        page.evaluate(() => {
            const { left, top } = document.querySelector("#ev-scroll").getBoundingClientRect();
            const row = document.elementFromPoint(left + 60, top + 120).closest("tr");
            return { text: row.textContent, top: row.getBoundingClientRect().top };
        });
    const before = await look();
    await bots[1].say("while reading");
    await page.locator("#ev-newer").waitFor();
    equal(await look(), before, "what is read");
    await page.locator("#ev-newer").click();
    await rows(page, "while reading").first().waitFor();
    equal(await count(), 1000, "rows after reading");
    await until(page, () => {
        const box = document.querySelector("#ev-scroll");
        return box.scrollHeight - box.scrollTop - box.clientHeight < 30;
    });
});

pageTest("events: a hub without them says where they are", async ({ visit }) => {
    const page = await visit();
    await page.locator("#tab-events").click();
    await page.locator("#ev-empty", { hasText: "linnet dev" }).waitFor();
});

devTest("events: come again after the line was down", async (scene) => {
    const page = await scene.visit({
        before: (p) =>
            p.routeWebSocket(/\/ws\?/, (ws) => {
                const hub = ws.connectToServer();
                p.cut = () => {
                    hub.close();
                    ws.close();
                };
            }),
    });
    await openTab(page);
    await page.cut();
    await page.locator("#down").waitFor();
    await page.locator("#down").waitFor({ state: "hidden" });
    const kari = await scene.bot("kari");
    await until(page, () => document.querySelector("#ev-rows tr"));
    await kari.say("after all");
    await rows(page, "after all").first().waitFor();
});
