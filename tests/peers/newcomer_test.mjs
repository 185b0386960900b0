// SPDX-License-Identifier: MIT
// What people do in their first hour that no manual mentions. newcomer_test.mjs LINNET [NAME]
import { test, equal, ok, start, hub, within, main } from "./lib.mjs";
import { linnet, env, folder, run, says, closed, until } from "./shell.mjs";

// --- one-shot tools ---

test("what was meant as JSON and is none is not sent; nor are halves of options", () => {
  for (const [args, pattern] of [
    [["emit", "hub", "message", '{"room":"lobby",'], /no JSON: \{"room":"lobby",: .*a string is written/],
    [["call", "hub", "x", "[1,"], /no JSON: \[1,/],
    [["listen", "hub", "--emit", "x={y"], /no JSON: \{y/],
    [["listen", "hub", "--dialect", "laravel"], /--dialect is linnet or rooms, not 'laravel'/],
    [["listen", "hub", "-H", "Authorization"], /--header wants NAME:VALUE, not 'Authorization'/],
    [["listen", "hub", "--query", "token"], /--query wants KEY=VALUE, not 'token'/],
  ]) {
    const r = run(args);
    equal([r.code, r.out], [2, ""], args.join(" "));
    says(r, pattern, args.join(" "));
  }
});

test("without a hub the tools say how to start one, and do not talk of a next attempt", async () => {
  const at = ["--set", `hub.port=${await closed()}`];
  for (const args of [["call", "hub", "rooms"], ["emit", "hub", "x"], ["listen", "hub", "--no-retry"]]) {
    const r = run([...args, ...at]);
    equal(r.code, 69, args[0]);
    says(r, /no hub is there: 'linnet dev' or 'linnet hub' starts one/);
    ok(!/next attempt/.test(r.all), r.all);
  }
});

test("emit and call join a room first", async () => {
  const h = await hub(linnet);
  const ear = await start(linnet, ["listen", h.url, "-j", "lobby", "--event", "message", "-n", "1"], /"event":"connect"/, { env });
  await until(() => JSON.parse(run(["call", h.url, "rooms"]).out).rooms.length > 0, "the listener in the room");
  equal(run(["emit", h.url, "-j", "lobby", "message", '{"room":"lobby","text":"hi"}']).code, 0);
  equal(await within(ear.exited, "the message"), 0);
  says({ all: ear.out() }, /"text":"hi"/);
  const sent = run(["call", h.url, "--join=lobby", "--name=kari", "message", '{"room":"lobby","text":"hi"}']);
  equal(JSON.parse(sent.out).ok, true, sent.all);
  equal(await h.end(), 0);
});

test("a call whose time is over says one thing", async () => {
  const h = await hub(linnet);
  const r = run(["call", h.url, "nobody-answers", "-t", "200ms"]);
  equal([r.code, r.out, r.err.trim().split("\n").pop()], [124, "", "linnet: --timeout reached"]);
  equal(await h.end(), 0);
});

await main();
