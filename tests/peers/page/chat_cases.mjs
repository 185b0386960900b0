// SPDX-License-Identifier: MIT
// Talking: messages between pages and a stock Socket.IO bot, typing, presence, rooms, and text that
// would like to be markup.
import { equal, ok } from "../lib.mjs";
import { join, message, pageTest, rename, say, seen, setHidden, until } from "./browser.mjs";

pageTest(
    "chat: two pages and a bot talk; ticks tell what became of a message",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        wren.socket.on("message", (m) => m.text === "hi" && wren.say(`Hello, ${m.sender.name}!`));
        const [anna, ben] = [await visit(), await visit()];
        await rename(anna, "anna");
        await say(anna, "hi");
        await seen(ben, "hi");
        await seen(anna, "Hello, anna!");
        await seen(ben, "Hello, anna!");
        equal(await message(ben, "Hello, anna!").locator(".sender").innerText(), "wren", "sender");
        ok(
            await message(anna, "hi")
                .first()
                .evaluate((n) => n.classList.contains("own")),
            "not mine",
        );
        ok(
            await message(ben, "hi")
                .first()
                .evaluate((n) => !n.classList.contains("own")),
            "mine at ben's",
        );
        await anna.locator(".own.read").waitFor(); // ben's page is in front, so he has read it
        const words = await anna.locator(".own .tick").getAttribute("aria-label");
        ok(/^guest-\d+ has read it$/.test(words), words);
        const heard = await wren.heard("message", (m) => m.text === "hi");
        equal([heard.room, heard.type, heard.sender.name], ["lobby", "text", "anna"], "at the bot");
    },
);

pageTest(
    "chat: delivered once the hub has it, read once somebody reads",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        const page = await visit();
        await say(page, "one");
        await page.locator(".own.sent:not(.read) .tick[aria-label=delivered]").waitFor();
        const { id } = await wren.heard("message");
        await wren.ask("read", { room: "lobby", ids: [id] });
        await page.locator(".own.read .tick[aria-label='wren has read it']").waitFor();
        await wren.say("two");
        await wren.heard("read", (r) => r.ids.length === 1 && r.user.name.startsWith("guest"));
    },
);

pageTest(
    "chat: messages of one sender stand together; each has its time",
    async ({ visit, bot }) => {
        const [wren, kari] = [await bot("wren"), await bot("kari")];
        const page = await visit();
        for (const text of ["a1", "a2"]) await wren.say(text);
        await kari.say("b1");
        await wren.say("a3");
        await seen(page, "a3");
        equal(
            await page.locator(".msg .sender").allInnerTexts(),
            ["wren", "kari", "wren"],
            "senders",
        );
        equal(await page.locator(".msg > .face").allInnerTexts(), ["W", "K", "W"], "faces");
        for (const t of await page.locator(".msg time").allInnerTexts())
            ok(/^\d\d?:\d\d$/.test(t), `time ${t}`);
        const hues = await page
            .locator(".msg > .face")
            .evaluateAll((l) => l.map((f) => getComputedStyle(f).backgroundColor));
        ok(hues[0] === hues[2] && hues[0] !== hues[1], `colours ${hues}`);
        equal(await page.locator(".day").allInnerTexts(), ["Today"], "days");
    },
);

pageTest(
    "chat: Shift+Enter makes lines, Enter sends, blank is not sent",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        const page = await visit();
        const write = page.locator("#write");
        await write.press("Enter");
        await write.fill("   ");
        await write.press("Enter");
        await write.fill("");
        const low = (await write.boundingBox()).height;
        await write.pressSequentially("one");
        await write.press("Shift+Enter");
        await write.pressSequentially("two");
        ok((await write.boundingBox()).height > low, "the box does not grow");
        await write.press("Enter");
        equal((await wren.heard("message")).text, "one\ntwo", "text");
        equal(await write.inputValue(), "", "box");
        await page.locator("#write").fill("by button");
        await page.locator("#send").click();
        await wren.heard("message", (m) => m.text === "by button");
        equal(wren.all("message").length, 2, "messages");
    },
);

pageTest("chat: typing is told both ways, and ends", async ({ visit, bot }) => {
    const wren = await bot("wren");
    const page = await visit();
    await wren.ask("typing", { room: "lobby", on: true });
    await page.locator("#typing", { hasText: "wren is typing…" }).waitFor();
    const kari = await bot("kari");
    await kari.ask("typing", { room: "lobby", on: true });
    await page.locator("#typing", { hasText: "wren and kari are typing…" }).waitFor();
    await wren.say("done");
    await page.locator("#typing", { hasText: "kari is typing…" }).waitFor();
    await kari.ask("typing", { room: "lobby", on: false });
    await until(page, () => document.querySelector("#typing").textContent === "");
    await page.locator("#write").pressSequentially("hi"); // two keys: told at the first
    await wren.heard("typing", (t) => t.on && t.room === "lobby");
    await page.locator("#write").press("Enter");
    await wren.heard("typing", (t) => !t.on);
    equal(
        wren.all("typing").filter((t) => t.on && t.user.name.startsWith("guest")).length,
        1,
        "told once",
    );
});

pageTest("chat: typing that nobody takes back ends by itself", async ({ visit, bot }) => {
    const wren = await bot("wren");
    const page = await visit({ before: (p) => p.clock.install() });
    await wren.ask("typing", { room: "lobby", on: true });
    await page.locator("#typing", { hasText: "wren" }).waitFor();
    await page.clock.fastForward(9000);
    await until(page, () => document.querySelector("#typing").textContent === "");
    await page.locator("#write").pressSequentially("hm");
    await wren.heard("typing", (t) => t.on);
    await page.clock.fastForward(4000);
    await wren.heard("typing", (t) => !t.on);
});

pageTest("chat: people come, change and go", async ({ visit, bot }) => {
    const page = await visit();
    const wren = await bot("wren");
    const person = (name) => page.locator(".person", { hasText: name });
    await person("wren").locator(".dot.online").waitFor();
    await page.locator(".note", { hasText: "wren joined" }).waitFor();
    equal(await page.locator("#room-count").innerText(), "2 people", "count");
    await wren.ask("presence", { status: "busy", text: "in a call" });
    await person("wren").locator(".dot.busy").waitFor();
    equal(await person("wren").locator(".state").innerText(), "busy · in a call", "state");
    await wren.ask("name", { name: "jay" });
    await person("jay").waitFor();
    equal(await person("wren").count(), 0, "old name");
    await page.locator(".note", { hasText: "wren is now jay" }).waitFor();
    await wren.ask("leave", { room: "lobby" });
    await person("jay").locator(".dot.offline").waitFor();
    await page.locator(".note", { hasText: "jay left" }).waitFor();
    ok(/^last seen /.test(await person("jay").locator(".state").innerText()), "last seen");
    equal(await page.locator("#room-count").innerText(), "1 person", "count");
});

pageTest(
    "chat: own name and status are told, and kept over a reload",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        const page = await visit();
        await rename(page, "mara", { status: "away", text: "tea" });
        await wren.heard(
            "presence",
            (p) => p.member.name === "mara" && p.member.status === "away" && p.member.text === "tea",
        );
        equal(await page.locator("#me-name").innerText(), "mara", "name");
        equal(await page.locator("#me-state").innerText(), "away · tea", "state");
        await say(page, "before");
        await message(page, "before").and(page.locator(".sent")).waitFor();
        const [socket] = await Promise.all([page.waitForEvent("websocket"), page.reload()]);
        equal(new URL(socket.url()).searchParams.get("name"), "mara", "name asked for");
        await seen(page, "before");
        equal(await page.locator("#me-name").innerText(), "mara", "name after a reload");
        await page.locator(".person", { hasText: "mara (you)" }).locator(".dot.away").waitFor();
        ok(
            await message(page, "before").evaluate((n) => n.classList.contains("own")),
            "history is not mine",
        );
        equal(
            wren.all("presence").filter((p) => p.kind !== "update" && p.member.name === "mara").length,
            0,
            "left or joined",
        );
        await page.locator("#me").click();
        await page.locator("#profile-name").evaluate((f) => {
            f.maxLength = 200;
        });
        await page.locator("#profile-name").fill("n".repeat(60));
        await page.getByRole("button", { name: "Save" }).click();
        await page.locator("#profile-error", { hasText: "50 characters" }).waitFor();
    },
    { args: ["--set=hub.leave_grace=60"] }, // a reload may take its time
);

pageTest("chat: rooms are made, counted, left and named in the address", async ({ visit, bot }) => {
    const wren = await bot("wren", ["lobby", "den & co/7%"]);
    const page = await visit();
    const room = (name) => page.locator("#rooms .room", { hasText: name });
    await page.locator("#other-rooms .room", { hasText: "den & co/7%" }).click();
    await page.locator("#room-title", { hasText: "den & co/7%" }).waitFor();
    equal(decodeURIComponent(new URL(page.url()).hash), "#den & co/7%", "hash");
    await page.locator("#write").fill("a draft");
    await wren.say("over here", "lobby");
    await wren.say("and here", "lobby");
    await room("lobby").locator(".badge", { hasText: "2" }).waitFor();
    await until(page, () => document.title.startsWith("(2) "));
    await room("lobby").click();
    await page.locator(".fresh").waitFor();
    equal(await page.locator("#write").inputValue(), "", "draft of another room");
    await until(
        page,
        () => !document.querySelector(".badge") && document.title === "#lobby · linnet",
    );
    await page.goBack();
    await page.locator("#room-title", { hasText: "den" }).waitFor();
    equal(await page.locator("#write").inputValue(), "a draft", "draft");
    await page.getByRole("button", { name: "Leave the room den & co/7%" }).click();
    await page.locator("#room-title", { hasText: "lobby" }).waitFor();
    await wren.heard("presence", (p) => p.kind === "leave" && p.room.startsWith("den"));
    equal(await page.locator("#rooms .room").count(), 1, "rooms");
    await join(page, "brand new");
    await page.reload();
    await page.locator("#room-title", { hasText: "brand new" }).waitFor();
    equal(
        await page.locator("#rooms .room .name").allInnerTexts(),
        ["brand new", "lobby"],
        "rooms after a reload",
    );
    for (const name of ["brand new", "lobby"])
        await page.getByRole("button", { name: `Leave the room ${name}` }).click();
    equal(await page.locator("#empty-title").innerText(), "You are in no room", "no room");
    ok(await page.locator("#write").isDisabled(), "can write to nobody");
});

pageTest("chat: an address with #room opens that room", async ({ visit, bot }) => {
    const wren = await bot("wren", ["garage"]);
    await wren.say("vroom");
    const page = await visit({ path: "/#garage" });
    await seen(page, "vroom");
    equal(await page.locator("#rooms .room .name").allInnerTexts(), ["garage", "lobby"], "rooms");
});

pageTest("chat: a name of a room that the hub refuses is said", async ({ visit }) => {
    const page = await visit();
    await page.locator("#join-name").fill("ä".repeat(90)); // 180 bytes
    await page.locator("#join-name").press("Enter");
    await page.locator("#notice", { hasText: "100 bytes" }).waitFor();
    await page.locator("#room-title", { hasText: "lobby" }).waitFor();
    equal(await page.locator("#rooms .room").count(), 1, "rooms");
});

pageTest("chat: markup in texts, names, rooms and statuses stays text", async ({ visit, bot }) => {
    const evil = `<img src=x onerror="alert(1)"><script>alert(2)</script>&amp;<b>`;
    const wren = await bot(evil.slice(0, 50), ["lobby", "<i>room</i>"], {
        id: `"><svg onload=alert(3)>`,
    });
    await wren.ask("presence", { text: evil });
    const page = await visit();
    const texts = [
        evil,
        "javascript:alert(4)",
        'https://x.example/"onmouseover=alert(5)//',
        "{{7*7}} ${1}",
        "http://[bad",
        "see https://ok.example/a?b=1&c=2, and (https://two.example).",
    ];
    for (const t of texts) await wren.say(t);
    await seen(page, "two.example");
    await wren.ask("typing", { room: "lobby", on: true });
    await page.locator("#typing", { hasText: "<img" }).waitFor();
    const shown = await page.locator(".bubble").evaluateAll((l) =>
        l.map((b) => {
            const copy = b.cloneNode(true);
            copy.querySelector(".meta").remove();
            return copy.textContent;
        }),
    );
    equal(shown, texts, "texts");
    const links = await page
        .locator(".bubble a")
        .evaluateAll((l) => l.map((a) => [a.getAttribute("href"), a.rel]));
    const rel = "noopener noreferrer";
    equal(
        links,
        [
            ["https://x.example/", rel],
            ["https://ok.example/a?b=1&c=2", rel],
            ["https://two.example", rel],
        ],
        "links",
    );
    equal(
        await page.locator("main img, main script, main b, aside i:not(.dot), .person svg").count(),
        0,
        "elements",
    );
    await page.locator("#other-rooms", { hasText: "<i>room</i>" }).waitFor();
    await page.locator(".person", { hasText: "<script>" }).waitFor();
});

pageTest("chat: long words wrap, long texts fold", async ({ visit, bot }) => {
    const wren = await bot("wren");
    const page = await visit();
    await wren.say("w".repeat(600));
    await wren.say(`${"long ".repeat(2000)}end`);
    const all = page.locator(".show-all");
    await all.waitFor();
    equal(await all.innerText(), "Show all 10,003 characters", "button");
    ok(!(await page.locator(".bubble").last().innerText()).includes("end"), "not folded");
    await all.click();
    ok((await page.locator(".bubble").last().innerText()).includes("end"), "still folded");
    const wide = await page.locator("#log").evaluate((l) => l.scrollWidth <= l.clientWidth);
    ok(wide, "wider than the page");
});

pageTest("chat: two windows of one person are one person", async ({ visit, bot }) => {
    const wren = await bot("wren");
    const page = await visit();
    const second = await page.context().newPage();
    await second.goto(page.url());
    await second.locator("#room-count", { hasText: "2 people" }).waitFor();
    await say(page, "from the first");
    await message(second, "from the first").and(second.locator(".own")).waitFor();
    await rename(page, "mara");
    await second.locator("#me-name", { hasText: "mara" }).waitFor();
    await second.close();
    await wren.say("still there?");
    await seen(page, "still there?");
    equal(await page.locator("#room-count").innerText(), "2 people", "count");
    equal(wren.all("presence").filter((p) => p.kind === "leave").length, 0, "leaves");
});

pageTest(
    "chat: a tab in the background counts, and reads when it is looked at",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        const page = await visit();
        await setHidden(page, true);
        await wren.say("psst");
        await until(page, () => document.title === "(1) #lobby · linnet");
        await wren.say("hey");
        await until(page, () => document.title === "(2) #lobby · linnet");
        equal(wren.all("read").length, 0, "read while hidden");
        await setHidden(page, false);
        await wren.heard("read", (r) => r.ids.length === 2);
        await until(page, () => document.title === "#lobby · linnet");
        await page.locator(".fresh").waitFor();
    },
);
