// SPDX-License-Identifier: MIT
// Plays a transcript of tests/scenes against a server, with socket.io-client for the people and a
// linnet process for the bot. A line is what somebody does, or what a bot is expected to say next:
//   NAME joins ROOM · NAME leaves ROOM · NAME: text · NAME in ROOM: text · NAME is in ROOM
// A bot that says more than is written is found by its next line, or at the end: no line waits to see
// that nothing comes.
import { readFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { io } from "socket.io-client";
import { LIMIT } from "./lib.mjs";

function queue() {
  const items = [], waiting = [];
  return {
    push(x) { items.push(x); waiting.splice(0).forEach((f) => f()); },
    async take(match, ms = LIMIT) {
      const end = Date.now() + ms;
      for (;;) {
        const i = items.findIndex(match);
        if (i >= 0) return items.splice(i, 1)[0];
        const left = end - Date.now();
        if (left <= 0) return null;
        await new Promise((r) => { const t = setTimeout(r, left); waiting.push(() => { clearTimeout(t); r(); }); });
      }
    },
    items,
  };
}

/** how.transports: the bot's; how.bot: its address, when it is another; how.people: the people's transports (websocket). Returns what the bot said to its terminal. */
export async function play(file, url, linnet, how = {}) {
  const target = how.transports
    ? ["--set", `connections.hub=${JSON.stringify({ url, transports: how.transports })}`]
    : ["--set", `connections.hub="${how.bot ?? url}"`, "--", how.bot ?? url];
  const transports = how.people ?? ["websocket"];
  const lines = readFileSync(file, "utf8").split("\n").map((l) => l.trim()).filter((l) => l && !l.startsWith("#"));
  const people = new Map(), said = queue();
  let bot, talk = "", botNames = new Set(), place = "lobby";
  const watcher = io(url, { transports, auth: { name: "watcher" }, forceNew: true });
  await new Promise((r) => watcher.on("connect", r));
  const inRoom = async (who, room) => {
    const end = Date.now() + LIMIT;
    for (;;) {
      const r = await watcher.timeout(LIMIT).emitWithAck("join", { room });
      await watcher.timeout(LIMIT).emitWithAck("leave", { room });
      if (r.members.some((m) => m.name === who)) return;
      if (Date.now() > end) throw new Error(`${who} did not come into ${room}\n${talk}`);
      await new Promise((go) => setTimeout(go, 50));
    }
  };
  const person = async (name) => {
    if (people.has(name)) return people.get(name);
    const socket = io(url, { transports, auth: { name, id: `u-${name}` }, forceNew: true });
    people.set(name, socket);
    const seen = new Set();
    socket.on("message", (m) => {
      if (seen.has(m.id)) throw new Error(`${name} got message ${m.id} twice`);
      seen.add(m.id);
      if (botNames.has(m.sender.name)) said.push({ to: name, from: m.sender.name, room: m.room, text: m.text, id: m.id });
    });
    await new Promise((resolve, reject) => { socket.on("connect", resolve); socket.on("connect_error", reject); });
    return socket;
  };
  const told = new Set(); // one message reaches several people: it is expected once
  try {
    for (const line of lines) {
      let m;
      if ((m = line.match(/^bot (\S+)$/))) {
        bot = spawn(linnet, ["run", m[1], ...target], { stdio: ["ignore", "pipe", "pipe"] });
        process.on("exit", () => bot.kill("SIGKILL"));
        bot.stderr.on("data", (d) => (talk += d));
        bot.stdout.on("data", (d) => (talk += d));
      } else if ((m = line.match(/^(\w+) is in (\S+)$/))) {
        botNames.add(m[1]);
        await inRoom(m[1], m[2]);
      } else if ((m = line.match(/^(\w+) joins (\S+)$/))) {
        const socket = await person(m[1]);
        const r = await socket.timeout(LIMIT).emitWithAck("join", { room: m[2] });
        if (!r.ok) throw new Error(`${line}: ${JSON.stringify(r.error)}`);
      } else if ((m = line.match(/^(\w+) leaves (\S+)$/))) {
        const r = await (await person(m[1])).timeout(LIMIT).emitWithAck("leave", { room: m[2] });
        if (!r.ok) throw new Error(`${line}: ${JSON.stringify(r.error)}`);
      } else if ((m = line.match(/^(\w+)(?: in (\S+))?: (.*)$/))) {
        const [, name, room, text] = m;
        if (botNames.has(name)) {
          const got = await said.take((s) => !told.has(s.id) && s.from === name && (!room || s.room === room));
          if (!got) throw new Error(`no answer; expected: ${line}\n${talk}`);
          told.add(got.id);
          if (got.text !== text) throw new Error(`expected "${text}", got "${got.text}"`);
        } else {
          if (room) place = room; else place = "lobby";
          const socket = await person(name);
          const r = await socket.timeout(LIMIT).emitWithAck("message", { room: place, text });
          if (!r.ok) throw new Error(`${line}: ${JSON.stringify(r.error)}`);
        }
      } else throw new Error(`what does this line mean? ${line}`);
    }
    const extra = said.items.find((s) => !told.has(s.id));
    if (extra) throw new Error(`nobody should have said more, but ${extra.from}: ${extra.text}`);
  } finally {
    watcher.close();
    for (const socket of people.values()) socket.close();
    if (bot) {
      const ended = new Promise((r) => bot.on("close", (code, signal) => r(code ?? signal)));
      bot.kill("SIGTERM");
      const code = await ended;
      if (code !== 0) throw new Error(`the bot ended with ${code}\n${talk}`); // a sanitizer's report, too
    }
  }
  return talk;
}
