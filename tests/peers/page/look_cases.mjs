// SPDX-License-Identifier: MIT
// First sight: what is loaded and allowed, a first visit, looks, phones, keyboard, screen readers.
import { equal, ok } from "../lib.mjs";
import { join, message, pageTest, rename, say, seen, until } from "./browser.mjs";

pageTest(
    "look: loads without complaint, everything from the hub, under a strict policy",
    async ({ url, visit }) => {
        const requests = [];
        let policy = "";
        await visit({
            before: (page) => {
                page.on("request", (r) => requests.push(r.url()));
                page.on("response", async (r) => {
                    if (r.url() === `${url}/`)
                        policy = (await r.allHeaders())["content-security-policy"];
                });
            },
        });
        ok(requests.length >= 8, `only ${requests.length} requests`);
        for (const r of requests) ok(r.startsWith(url), `${r} is not of the hub`);
        ok(policy.includes("default-src 'none'"), `policy: ${policy}`);
        ok(!/unsafe|\*/.test(policy), `policy: ${policy}`);
        const html = await (await fetch(`${url}/`)).text();
        ok(
            !/<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)/i.test(html),
            "something is inline",
        );
    },
);

pageTest("look: a first visit is a guest in the lobby, ready to write", async ({ visit }) => {
    const page = await visit();
    equal(await page.title(), "#lobby · linnet", "title");
    equal(new URL(page.url()).hash, "#lobby", "hash");
    ok(/^guest-\d+$/.test(await page.locator("#me-name").innerText()), "no guest's name");
    equal(await page.evaluate(() => document.activeElement.id), "write", "focus");
    equal(await page.locator("#empty-title").innerText(), "Nothing said here yet", "empty room");
    ok(await page.locator("#down").isHidden(), "says that the line is down");
});

pageTest("look: nothing moves while it loads", async ({ visit, bot }) => {
    const wren = await bot("wren");
    for (let i = 0; i < 5; i++) await wren.say(`line ${i}`);
    const page = await visit();
    await seen(page, "line 4");
    const shift = await page.evaluate(
        () =>
            new Promise((done) => {
                let sum = 0;
                new PerformanceObserver((list) => {
                    for (const e of list.getEntries()) sum += e.value;
                }).observe({ type: "layout-shift", buffered: true });
                requestAnimationFrame(() => requestAnimationFrame(() => done(sum)));
            }),
    );
    ok(shift < 0.02, `layout shift ${shift}`);
});

pageTest("look: dark and light by the system, and by the button, kept", async ({ visit }) => {
    const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await visit({ colorScheme: "light" });
    const dark = await visit({ colorScheme: "dark" });
    const [day, night] = [await ground(light), await ground(dark)];
    ok(day !== night, `both are ${day}`);
    await light.locator("#theme").click();
    equal(await ground(light), night, "after the button");
    await light.reload();
    equal(await ground(light), night, "after a reload");
    await light.locator("#theme").click();
    equal(await ground(light), day, "after the button again");
    equal(await light.evaluate(() => localStorage.getItem("linnet.theme")), null, "kept choice");
});

pageTest(
    "look: a phone of 360 px has drawers and no sideways scrolling",
    async ({ visit, bot }) => {
        const wren = await bot("wren");
        await wren.say("x".repeat(400));
        await wren.say("https://example.org/" + "long/".repeat(60));
        const page = await visit({
            viewport: { width: 360, height: 640 },
            isMobile: true,
            hasTouch: true,
        });
        await seen(page, "example.org");
        const wide = () =>
            page.evaluate(() =>
                Math.max(
                    document.documentElement.scrollWidth,
                    document.querySelector("#scroll").scrollWidth,
                    document.querySelector("#log").scrollWidth,
                ),
            );
        equal(await wide(), 360, "width");
        ok(await page.locator("#rooms").isHidden(), "the rooms are not folded away");
        await page.locator("#show-left").tap();
        await page.locator("#rooms .room").waitFor();
        equal(await page.locator("#show-left").getAttribute("aria-expanded"), "true", "expanded");
        await page.keyboard.press("Escape");
        await page.locator("#rooms").waitFor({ state: "hidden" });
        equal(
            await page.evaluate(() => document.activeElement.id),
            "show-left",
            "focus after the drawer",
        );
        await page.locator("#show-right").tap();
        await page.locator(".person", { hasText: "wren" }).waitFor();
        await page.touchscreen.tap(20, 320);
        await page.locator("#people").waitFor({ state: "hidden" });
        await page.locator("#show-left").tap();
        await join(page, "den");
        await page.locator("#rooms").waitFor({ state: "hidden" });
        await say(page, "from a phone");
        await seen(page, "from a phone");
        const box = await page.locator("#composer").boundingBox();
        ok(box.y + box.height <= 640 && box.width <= 360, `composer at ${JSON.stringify(box)}`);
        await page.locator("#tab-events").tap();
        equal(await wide(), 360, "width of the events");
    },
);

pageTest(
    "look: every control has a name, pictures are silent, the page has its landmarks",
    async ({ visit }) => {
        const page = await visit();
        const nameless = await page.evaluate(() => {
            const bad = [];
            for (const c of document.querySelectorAll(
                "button:not([hidden]), input, textarea, a[href], [role=region]",
            )) {
                const labels = [...(c.labels ?? [])].map((l) => l.textContent).join("");
                const name = c.getAttribute("aria-label") || labels || c.textContent.trim();
                if (!name.trim()) bad.push(c.outerHTML.slice(0, 80));
            }
            for (const i of document.querySelectorAll("svg, img")) {
                if (!(
                    i.hasAttribute("aria-hidden") ||
                    i.getAttribute("alt") === "" ||
                    i.hasAttribute("aria-label")
                ))
                    bad.push(i.outerHTML.slice(0, 80));
            }
            return bad;
        });
        equal(nameless, [], "controls without a name");
        for (const role of ["main", "navigation", "log", "tablist"])
            await page.getByRole(role).first().waitFor();
        await page.getByRole("textbox", { name: "Your message" }).waitFor();
        await page.getByRole("complementary", { name: "Rooms and you" }).waitFor();
        await page.getByRole("complementary", { name: /People/ }).waitFor();
        equal(await page.locator("html").getAttribute("lang"), "en", "lang");
        equal(await page.locator("#log").getAttribute("aria-live"), "polite", "aria-live");
    },
);

pageTest("look: keys reach everything in reading order; arrows change tabs", async ({ visit }) => {
    const page = await visit();
    await page.locator("#skip").focus();
    const order = [];
    for (let i = 0; i < 10; i++) {
        await page.keyboard.press("Tab");
        order.push(
            await page.evaluate(
                () => document.activeElement.id || document.activeElement.className,
            ),
        );
    }
    equal(
        order,
        [
            "theme",
            "room",
            "icon leave",
            "join-name",
            "icon",
            "me",
            "tab-chat",
            "scroll",
            "write",
            "send",
        ],
        "order",
    );
    await page.locator("#tab-chat").focus();
    await page.keyboard.press("ArrowRight");
    equal(await page.evaluate(() => document.activeElement.id), "tab-events", "tab");
    ok(
        (await page.locator("#events").isVisible()) && (await page.locator("#chat").isHidden()),
        "events not shown",
    );
    await page.keyboard.press("ArrowLeft");
    ok(await page.locator("#chat").isVisible(), "chat not shown");
    await page.locator("#skip").focus();
    await page.keyboard.press("Enter");
    equal(await page.evaluate(() => document.activeElement.id), "write", "after the skip link");
    equal(new URL(page.url()).hash, "#lobby", "hash");
    await page.locator("#me").focus();
    await page.keyboard.press("Enter");
    await page.locator("#profile[open]").waitFor();
    equal(
        await page.evaluate(() => document.activeElement.id),
        "profile-name",
        "focus in the dialog",
    );
    await page.keyboard.press("Escape");
    equal(await page.evaluate(() => document.activeElement.id), "me", "focus after the dialog");
});

// Of every visible text: its colour against what lies behind it, by the formula of WCAG 2.
function paleTexts() {
    const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (css) => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = css;
        context.fillRect(0, 0, 1, 1);
        return context.getImageData(0, 0, 1, 1).data;
    };
    const light = ([r, g, b]) =>
        [r, g, b]
            .map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (node) => {
        for (let n = node; n; n = n.parentElement) {
            const colour = rgba(getComputedStyle(n).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255];
    };
    const pale = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || node.closest("noscript")) continue;
        if (!node.checkVisibility({ visibilityProperty: true })) continue;
        const a = light(rgba(getComputedStyle(node).color));
        const b = light(behind(node));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5)
            pale.push(
                `${ratio.toFixed(2)} ${node.className || node.tagName}: ${walker.currentNode.data.slice(0, 30)}`,
            );
    }
    return pale;
}

for (const colorScheme of ["light", "dark"]) {
    pageTest(
        `look: every text has contrast enough (${colorScheme})`,
        async (scene) => {
            const people = ["wren", "kari", "Tom Okafor", "Åse", "李雷", "zed", "q7"];
            const bots = [];
            for (const name of people) bots.push(await scene.bot(name));
            const page = await scene.visit({ colorScheme });
            for (const b of bots) await b.say(`hello from ${b.name}, see https://example.org`);
            await bots[0].ask("presence", { status: "busy", text: "in a call" });
            await bots[2].ask("join", { room: "den" });
            await say(page, "mine");
            await rename(page, "mara", { status: "away", text: "tea" });
            await bots[1].ask("typing", { room: "lobby", on: true });
            await page.locator("#typing", { hasText: "kari" }).waitFor();
            equal(await page.evaluate(paleTexts), [], "pale texts of the chat");
            await page.locator("#me").click();
            equal(await page.evaluate(paleTexts), [], "pale texts of the dialog");
            await page.keyboard.press("Escape");
            await page.locator("#tab-events").click();
            equal(await page.evaluate(paleTexts), [], "pale texts of the events");
            await page.locator("#tab-chat").click();
            await scene.hub.end();
            await page.locator("#down").waitFor();
            await say(page, "while down");
            await until(page, () => document.querySelector(".sending"));
            equal(await page.evaluate(paleTexts), [], "pale texts while the line is down");
            equal(await message(page, "while down").count(), 1, "messages");
        },
        { quiet: false },
    );
}
