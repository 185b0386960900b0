// SPDX-License-Identifier: MIT
// What the page knows: who I am, the joined rooms with their members and messages, and what waits
// to be sent. Speaks the `linnet` dialect (docs/hub.md) over a Line and touches no element.
//
// Events: `me`, `rooms` (the list, unread counts), `room` (another one is current), `members`,
// `log` (a room's messages were merged), `message` (one came at the end), `changed` (one message),
// `typing`, `trouble` (detail: words for the user). Those of one room have detail.room.
import { loadMe, loadRooms, randomId, readTime, saveMe, saveRead, saveRooms } from "./memory.js";

export const MAX_MESSAGES = 10000; // in all rooms together
export const MAX_WAITING = 100;
const MAX_BYTES = 200000;
const MAX_GONE = 30;
const MAX_MARKS = 1000; // read marks that wait
const TYPING_MS = 8000; // longer than the pause after which a typing client repeats itself

const nowSeconds = () => Date.now() / 1000;
const isText = (value) => typeof value === "string";
// A hub that was restarted may count its ids from the start: an id alone names no message.
const keyOf = (m) => `${m.id} ${m.time}`;
const order = (m) => (m.state === "sending" || m.state === "failed" ? Infinity : m.time);

function newRoom(name) {
  return {
    name, joined: false, entered: false, members: new Map(), gone: new Map(), messages: [],
    known: new Map(), unread: 0, toRead: [], read: [], typing: new Map(), draft: "",
  };
}

// A message as it may come from anybody, as one that the views can rely on; null for no message.
function cleanMessage(raw, me) {
  if (raw === null || typeof raw !== "object") return null;
  const sender = raw.sender ?? {};
  const text = isText(raw.text) ? raw.text : JSON.stringify(raw.text ?? "");
  return {
    kind: "message", id: String(raw.id), temp_id: raw.temp_id,
    text: text || `(${raw.type ?? "empty"})`, // an image or so, which only other clients show
    time: Number.isFinite(raw.time) ? raw.time : nowSeconds(),
    sender: { id: String(sender.id), name: String(sender.name ?? sender.id) },
    own: String(sender.id) === me.id, state: "sent", readers: new Set(),
  };
}

function cleanMember(raw) {
  return {
    id: String(raw?.id), name: String(raw?.name ?? raw?.id),
    text: isText(raw?.text) ? raw.text : "",
    status: ["away", "busy", "offline"].includes(raw?.status) ? raw.status : "online",
    last_seen: raw?.last_seen,
  };
}

export class Chat extends EventTarget {
  constructor(line) {
    super();
    this.line = line;
    this.me = loadMe();
    this.chosenName = this.me.name; // "" as long as the hub names us
    this.server = null;
    this.rooms = new Map();
    this.found = []; // what the hub has: {name, members}
    this.current = null;
    this.outbox = []; // messages without an answer yet, oldest first
    this.total = 0;
    for (const name of loadRooms()) this.rooms.set(name, newRoom(name));

    line.addEventListener("ready", (e) => this.#begin(e.detail ?? {}));
    line.addEventListener("down", () => this.#pause());
    for (const name of ["message", "presence", "typing", "read", "error"]) {
      line.addEventListener("hub:" + name, (e) => this["_" + name](e.detail));
    }
  }

  // --- the line ---

  #begin(session) {
    const { status, text } = this.me;
    Object.assign(this.me, { id: String(session.user?.id), name: String(session.user?.name) });
    this.server = session.server;
    this.#tell("me");
    if (status !== "online" || text) this.#ask("presence", { status, text });
    const first = this.rooms.get(this.current);
    for (const room of this.rooms.values()) if (room !== first) this.#enter(room);
    if (first) this.#enter(first);
    this.lookAround();
  }

  #pause() {
    for (const room of this.rooms.values()) {
      room.joined = false;
      this.#quiet(room);
    }
    this.#tell("rooms");
  }

  async #enter(room) {
    let answer;
    try {
      answer = await this.line.request("join", { room: room.name });
    } catch {
      return; // the next session joins it
    }
    if (this.rooms.get(room.name) !== room) return; // left in the meantime
    if (!answer.ok) {
      this.#trouble(answer, `Could not join #${room.name}`);
      this.#forget(room);
      return;
    }
    room.joined = true;
    room.members = new Map();
    for (const m of answer.members ?? []) room.members.set(String(m.id), cleanMember(m));
    for (const id of room.members.keys()) room.gone.delete(id);
    this.#merge(room, answer.history ?? []);
    this.#tell("members", room);
    this.#tell("log", room);
    this.#tell("rooms");
    this.#pump();
  }

  // Puts a room's history under what is here already. An own message that waits without an answer
  // and is found there did arrive: it is not sent a second time.
  #merge(room, history) {
    const firstVisit = !room.entered && readTime(room.name) === 0;
    for (const raw of history) {
      const m = cleanMessage(raw, this.me);
      if (!m || room.known.has(keyOf(m)) || this.#settleEcho(room, m)) continue;
      this.#keep(room, m);
      if (m.own || firstVisit || m.time <= readTime(room.name)) continue;
      room.unread++;
      room.toRead.push(m.id);
    }
    room.messages.sort((a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0));
    if (firstVisit && room.messages.length) saveRead(room.name, room.messages.at(-1).time);
    room.entered = true;
  }

  #keep(room, m) {
    room.messages.push(m);
    if (m.kind === "message" && m.state === "sent") room.known.set(keyOf(m), m);
    if (++this.total <= MAX_MESSAGES) return;
    let fullest = room;
    for (const r of this.rooms.values()) {
      if (r.messages.length > fullest.messages.length) fullest = r;
    }
    for (const old of fullest.messages.splice(0, MAX_MESSAGES / 100)) {
      fullest.known.delete(keyOf(old));
      this.total--;
    }
  }

  #settleEcho(room, m) {
    if (!m.own || !isText(m.temp_id)) return false;
    const waiting = this.outbox.find((w) => w.temp_id === m.temp_id);
    if (!waiting) return false;
    this.outbox.splice(this.outbox.indexOf(waiting), 1);
    this.#settle(room, waiting, m);
    return true;
  }

  #settle(room, m, { id, time }) {
    Object.assign(m, { id: String(id), state: "sent", error: null });
    if (Number.isFinite(time)) m.time = time;
    room.known.set(keyOf(m), m);
    this.#tell("changed", room, m);
  }

  // --- sending ---

  // Returns words when it cannot; the message stays with the caller then.
  send(room, text) {
    if (new TextEncoder().encode(text).length > MAX_BYTES) {
      return "That is too long for one message: 200 kB is the most.";
    }
    if (this.outbox.length >= MAX_WAITING) {
      return `${MAX_WAITING} messages wait for the line already. Try again when it is back.`;
    }
    const m = {
      kind: "message", id: null, temp_id: randomId("t"), text, time: nowSeconds(), own: true,
      sender: { id: this.me.id, name: this.me.name }, state: "sending", readers: new Set(), room,
    };
    this.#keep(room, m);
    this.outbox.push(m);
    this.#tell("message", room, m);
    this.#pump();
    return null;
  }

  retry(m) {
    m.state = "sending";
    m.error = null;
    this.outbox.push(m);
    this.#tell("changed", m.room, m);
    this.#pump();
  }

  discard(m) {
    const at = m.room.messages.indexOf(m);
    if (at < 0) return;
    m.room.messages.splice(at, 1);
    this.total--;
    this.#tell("log", m.room);
  }

  // One after the other, each when the one before was answered: the order stays, and a long queue
  // does not run into the hub's rate limit.
  async #pump() {
    if (this.pumping) return;
    this.pumping = true;
    let m;
    while ((m = this.outbox.find((w) => w.room.joined)) && this.line.state === "ready") {
      let answer;
      try {
        const { temp_id, text } = m;
        answer = await this.line.request("message", { room: m.room.name, text, temp_id });
      } catch {
        break; // stays in the outbox
      }
      const at = this.outbox.indexOf(m);
      if (at < 0) continue; // its echo was faster
      if (!answer.ok && answer.error?.code === "full" && (m.tries = (m.tries ?? 0) + 1) < 5) {
        await new Promise((done) => setTimeout(done, 1000));
        continue;
      }
      this.outbox.splice(at, 1);
      if (answer.ok) this.#settle(m.room, m, answer);
      else this.#fail(m, answer.error?.message ?? "the hub refused it");
    }
    this.pumping = false;
  }

  #fail(m, why) {
    m.state = "failed";
    m.error = why;
    this.#tell("changed", m.room, m);
  }

  typing(room, on) {
    if (room.joined) this.line.send("typing", { room: room.name, on });
  }

  // The views call it whenever the end of a room is in sight.
  markRead(room) {
    const last = room.messages.findLast((m) => m.kind === "message" && !m.own);
    if (last) saveRead(room.name, last.time);
    if (room.unread) {
      room.unread = 0;
      this.#tell("rooms");
    }
    room.read.push(...room.toRead.splice(0));
    if (!room.read.length || room.readTimer) return;
    room.readTimer = setTimeout(() => {
      room.readTimer = null;
      const ids = room.read.slice(-100);
      if (room.joined && this.line.send("read", { room: room.name, ids })) room.read = [];
    }, 200);
  }

  // --- rooms ---

  go(name) {
    let room = this.rooms.get(name);
    if (!room) {
      room = newRoom(name);
      this.rooms.set(name, room);
      saveRooms([...this.rooms.keys()]);
      if (this.line.state === "ready") this.#enter(room);
    }
    this.current = name;
    this.#tell("rooms");
    this.#tell("room", room);
  }

  leave(room) {
    if (room.joined) this.#ask("leave", { room: room.name });
    this.#forget(room);
    this.lookAround();
  }

  #forget(room) {
    this.rooms.delete(room.name);
    this.total -= room.messages.length;
    this.outbox = this.outbox.filter((m) => m.room !== room);
    saveRooms([...this.rooms.keys()]);
    if (this.current === room.name) {
      this.current = this.rooms.keys().next().value ?? null;
      this.#tell("room", this.rooms.get(this.current));
    }
    this.#tell("rooms");
  }

  // Asks which rooms there are; also proves that the line lives.
  async lookAround() {
    try {
      const answer = await this.line.request("rooms");
      const rooms = Array.isArray(answer.rooms) ? answer.rooms : [];
      this.found = rooms.filter((r) => isText(r?.name)).slice(0, 200);
      this.#tell("rooms");
    } catch {
      // the line says so itself
    }
  }

  // --- me ---

  // Resolves with words when the hub refuses.
  async setMe({ name, status, text }) {
    const renamed = name !== this.me.name;
    if (this.line.state === "ready") {
      try {
        const answer = renamed ? await this.line.request("name", { name }) : { ok: true };
        if (!answer.ok) return answer.error?.message ?? "The hub refused this name.";
        if (renamed) name = answer.user?.name ?? name;
        const said = await this.line.request("presence", { status, text });
        if (!said.ok) return said.error?.message ?? "The hub refused this status.";
      } catch {
        // told at the next session
      }
    }
    if (renamed) this.chosenName = name;
    Object.assign(this.me, { name, status, text });
    saveMe({ ...this.me, name: this.chosenName });
    this.#update(cleanMember({ ...this.me, last_seen: nowSeconds() }), false);
    this.#tell("me");
    return null;
  }

  // --- what the hub says ---

  _message(raw) {
    const room = this.rooms.get(raw.room);
    const m = cleanMessage(raw, this.me);
    if (!room || !m || room.known.has(keyOf(m)) || this.#settleEcho(room, m)) return;
    if (room.typing.delete(m.sender.id)) this.#tell("typing", room);
    this.#keep(room, m);
    if (!m.own) {
      room.unread++;
      room.toRead.push(m.id);
      if (room.toRead.length > MAX_MARKS) room.toRead.shift();
    }
    this.#tell("message", room, m);
    this.#tell("rooms");
  }

  _presence({ kind, room: name, member: raw, reason }) {
    const member = cleanMember(raw);
    if (kind === "update") {
      this.#update(member, true);
      return;
    }
    const room = this.rooms.get(name);
    if (!room) return;
    const mine = member.id === this.me.id;
    if (kind === "join") {
      room.members.set(member.id, member);
      room.gone.delete(member.id);
      if (!mine) this.#note(room, `${member.name} joined`);
    } else if (kind === "leave" && mine && reason === "removed") {
      this.#trouble(null, `You were removed from #${room.name}.`);
      this.#forget(room);
    } else if (kind === "leave" && !mine) {
      room.members.delete(member.id);
      room.typing.delete(member.id);
      member.status = "offline";
      room.gone.set(member.id, member);
      if (room.gone.size > MAX_GONE) room.gone.delete(room.gone.keys().next().value);
      const how = { lost: "lost the line", removed: "was removed" }[reason] ?? "left";
      this.#note(room, `${member.name} ${how}`);
      this.#tell("typing", room);
    }
    this.#tell("members", room);
  }

  #update(member, told) {
    for (const room of this.rooms.values()) {
      const before = room.members.get(member.id);
      if (!before) continue;
      room.members.set(member.id, member);
      if (before.name !== member.name) {
        const who = member.id === this.me.id ? "You are" : `${before.name} is`;
        this.#note(room, `${who} now ${member.name}`);
      }
      this.#tell("members", room);
    }
    if (!told || member.id !== this.me.id) return;
    const { name, status, text } = member; // another window of mine
    Object.assign(this.me, { name, status: status === "offline" ? "online" : status, text });
    this.#tell("me");
  }

  _typing({ room: name, user, on }) {
    const room = this.rooms.get(name);
    const id = String(user?.id ?? user);
    if (!room || id === this.me.id) return;
    clearTimeout(room.typing.get(id)?.timer);
    room.typing.delete(id);
    if (on) {
      const timer = setTimeout(() => this._typing({ room: name, user, on: false }), TYPING_MS);
      room.typing.set(id, { name: String(user?.name ?? room.members.get(id)?.name ?? id), timer });
    }
    this.#tell("typing", room);
  }

  _read({ room: name, user, ids }) {
    const room = this.rooms.get(name);
    const id = String(user?.id ?? user);
    if (!room || !Array.isArray(ids) || id === this.me.id) return;
    const reader = String(user?.name ?? room.members.get(id)?.name ?? id);
    const wanted = new Set(ids.map(String));
    for (let i = room.messages.length - 1; i >= 0 && wanted.size; i--) {
      const m = room.messages[i];
      if (!m.id || !wanted.delete(m.id) || !m.own) continue;
      m.readers.add(reader);
      this.#tell("changed", room, m);
    }
  }

  _error(error) {
    this.#trouble({ error }, "The hub says");
  }

  // --- small things ---

  #note(room, text) {
    const m = { kind: "note", id: null, text, time: nowSeconds() };
    this.#keep(room, m);
    this.#tell("message", room, m);
  }

  #quiet(room) {
    for (const { timer } of room.typing.values()) clearTimeout(timer);
    room.typing.clear();
    this.#tell("typing", room);
  }

  // A request whose answer changes nothing here.
  #ask(event, data) {
    this.line.request(event, data).catch(() => {});
  }

  #trouble(answer, words) {
    const why = answer?.error?.message;
    this.dispatchEvent(new CustomEvent("trouble", { detail: why ? `${words}: ${why}` : words }));
  }

  #tell(type, room, message) {
    this.dispatchEvent(new CustomEvent(type, { detail: { room, message } }));
  }
}
