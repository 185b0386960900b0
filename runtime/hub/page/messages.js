// SPDX-License-Identifier: MIT
// The messages of the current room: groups by sender, days, notes, ticks. Shows a window on the end
// of a room's list that grows when one scrolls up, and stays at the bottom while one is there.
import { $, beforePaint, el, setText } from "./dom.js";
import { clock, dayKey, dayName, face, fullTime, hue, people, rich } from "./look.js";

const WINDOW = 150; // messages shown at first, and added by each step upwards
const MOST = 400; // elements kept while one is at the bottom
const GROUP_SECONDS = 300;
const LONG_TEXT = 4000; // characters; longer ones are folded
const NEAR_PX = 40; // so close to the bottom counts as being there

const ticks = {
  clock: "M8.500 2.500a3.700 3.700 0 1 0 .01 0zM8.500 4.300v2.100l1.400.9",
  one: "M2.500 6.600l2.800 2.900L11 3.200",
  two: "M8.200 8.900l.7.6L14.600 3.200",
  cross: "M5 3l6 6M11 3l-6 6",
};

function tick() {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 17 12");
  svg.setAttribute("class", "tick");
  svg.setAttribute("role", "img");
  for (const [name, d] of Object.entries(ticks)) {
    const path = document.createElementNS(ns, "path");
    path.setAttribute("class", name);
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

function stateWords(m) {
  if (m.state === "sending") return "sending";
  if (m.state === "failed") return "not sent";
  return m.readers.size ? people([...m.readers], ["has read it", "have read it"]) : "delivered";
}

const sameGroup = (a, b) =>
  a && a.kind === "message" && b.kind === "message" && a.sender.id === b.sender.id &&
  a.sender.name === b.sender.name && b.time - a.time < GROUP_SECONDS;

export class Messages {
  // looking(): can the user see the chat right now?
  constructor(chat, looking) {
    this.chat = chat;
    this.looking = looking;
    this.box = $("scroll");
    this.log = $("log");
    this.nodes = new WeakMap(); // message -> its element
    this.room = null;
    this.start = null; // the first message shown
    this.last = null; // the last one
    this.below = 0; // came while the user was reading further up
    this.atEnd = true;
    this.top = 0;
    this.follow = beforePaint(() => this.atEnd && this.toEnd()); // a flood measures once a frame

    chat.addEventListener("room", (e) => this.show(e.detail.room));
    chat.addEventListener("log", (e) => e.detail.room === this.room && this.redraw());
    chat.addEventListener("members", (e) => e.detail.room === this.room && this.#empty());
    chat.addEventListener("message", (e) => this.#added(e.detail));
    chat.addEventListener("changed", (e) => this.#state(e.detail.message));
    this.box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    $("earlier").addEventListener("click", () => this.#earlier());
    $("newer").addEventListener("click", () => {
      this.toEnd();
      $("write").focus();
    });
    // A phone's keyboard or a growing message box takes room: the end stays in sight.
    new ResizeObserver(() => this.atEnd && this.toEnd()).observe(this.box);
  }

  show(room) {
    this.room = room ?? null;
    this.fresh = null;
    this.start = null;
    this.atEnd = true;
    if (room?.unread) {
      const foreign = room.messages.filter((m) => m.kind === "message" && !m.own);
      this.fresh = foreign[foreign.length - room.unread] ?? null;
    }
    this.redraw();
  }

  redraw() {
    const list = this.room?.messages ?? [];
    let from = this.start && !this.atEnd ? list.indexOf(this.start) : -1;
    if (from < 0) from = Math.max(0, list.length - WINDOW);
    const fromEnd = this.box.scrollHeight - this.box.scrollTop;
    // Old messages that come all at once are not read out.
    this.log.setAttribute("aria-busy", "true");
    this.log.replaceChildren();
    this.last = null;
    this.start = list[from] ?? null;
    const all = document.createDocumentFragment();
    for (const m of list.slice(from)) all.append(...this.#build(m));
    this.log.append(all);
    $("earlier").hidden = from === 0;
    this.#empty();
    if (this.atEnd) this.toEnd();
    else this.box.scrollTop = this.box.scrollHeight - fromEnd;
    this.log.removeAttribute("aria-busy");
    this.seen();
  }

  toEnd() {
    this.atEnd = true;
    this.below = 0;
    $("newer").hidden = true;
    this.box.scrollTop = this.box.scrollHeight;
    this.top = this.box.scrollTop;
    this.seen();
  }

  // The tab came to the front: its place was lost while it was hidden.
  reopen() {
    if (this.atEnd) this.toEnd();
    else this.box.scrollTop = this.top;
  }

  // Marks as read what can be seen; also called when the tab comes to the front.
  seen() {
    if (this.room && this.atEnd && this.looking()) this.chat.markRead(this.room);
  }

  #added({ room, message }) {
    if (room !== this.room) return;
    if (message.own) {
      this.fresh = null;
      this.log.querySelector(".fresh")?.remove();
    } else if (message.kind === "message" && !this.fresh && !(this.atEnd && this.looking())) {
      this.fresh = message;
    }
    this.log.append(...this.#build(message));
    this.start ??= message;
    this.#empty();
    if (this.atEnd || message.own) {
      this.atEnd = true;
      this.#trim();
      this.follow();
    } else if (message.kind === "message") {
      this.below++;
      $("newer").hidden = false;
      setText($("newer"), `↓ ${this.below} new ${this.below === 1 ? "message" : "messages"}`);
    }
  }

  #trim() {
    if (this.log.childElementCount <= MOST) return;
    this.start = this.room.messages[this.room.messages.length - WINDOW];
    this.redraw();
  }

  #earlier() {
    const list = this.room.messages;
    const from = list.indexOf(this.start);
    this.atEnd = false;
    this.start = list[Math.max(0, from - WINDOW)];
    this.redraw();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    if (clientHeight === 0) return; // the other tab is in front
    const up = scrollTop < this.top;
    this.top = scrollTop;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (atEnd && !this.atEnd) this.toEnd();
    else if (!atEnd && up) this.atEnd = false; // else it is the list that has grown
    if (scrollTop < 60 && !atEnd && !$("earlier").hidden) this.#earlier();
  }

  // The elements of one message that stands after this.last: a day, a mark, the message.
  #build(m) {
    const before = this.last;
    const nodes = [];
    if (!before || dayKey(before.time) !== dayKey(m.time)) {
      nodes.push(el("li", { class: "day" }, dayName(m.time)));
    }
    if (m === this.fresh) nodes.push(el("li", { class: "fresh" }, "New"));
    const follows = nodes.length === 0 && sameGroup(before, m);
    nodes.push(m.kind === "note" ? this.#note(m) : this.#message(m, follows));
    this.last = m;
    return nodes;
  }

  #note(m) {
    const time = el("time", { title: fullTime(m.time) }, clock(m.time));
    return el("li", { class: "note" }, m.text, " · ", time);
  }

  #message(m, follows) {
    const bubble = el("div", { class: "bubble", dir: "auto" });
    this.#fill(bubble, m, m.text.length > LONG_TEXT);
    const node = el("li", { class: "msg" });
    if (m.own) {
      node.append(el("span", { class: "hide" }, "You: "));
    } else if (follows) {
      node.append(el("span", { class: "hide" }, `${m.sender.name}: `));
    } else {
      const name = el("span", { class: "sender", dir: "auto" }, m.sender.name);
      name.style.setProperty("--hue", hue(m.sender.id));
      node.append(face(m.sender), name);
    }
    node.append(bubble);
    node.classList.toggle("own", m.own);
    node.classList.toggle("first", !follows);
    this.nodes.set(m, node);
    this.#state(m);
    return node;
  }

  #fill(bubble, m, folded) {
    const text = folded ? m.text.slice(0, LONG_TEXT / 2) + " …" : m.text;
    const time = el("time", {});
    const meta = el("span", { class: "meta" }, time, m.own ? tick() : null);
    bubble.replaceChildren(...rich(text));
    if (folded) {
      const all = el("button", { class: "button small show-all", type: "button" },
        `Show all ${m.text.length.toLocaleString()} characters`);
      all.addEventListener("click", () => {
        this.#fill(bubble, m, false);
        this.#state(m);
      });
      bubble.append(all);
    }
    bubble.append(meta);
  }

  // Brings time, tick and failure of a shown message up to date.
  #state(m) {
    const node = this.nodes.get(m);
    if (!node) return;
    const time = node.querySelector("time");
    setText(time, clock(m.time));
    time.title = fullTime(m.time);
    if (!m.own) return;
    const words = stateWords(m);
    for (const name of ["sending", "sent", "failed"]) node.classList.toggle(name, m.state === name);
    node.classList.toggle("read", m.readers.size > 0);
    const svg = node.querySelector(".tick");
    svg.setAttribute("aria-label", words);
    svg.parentElement.title = words;
    node.querySelector(".failure")?.remove();
    if (m.state !== "failed") return;
    node.append(el("div", { class: "failure", role: "alert" }, `Not sent: ${m.error}`,
      el("button", { class: "button small", onclick: () => this.chat.retry(m) }, "Send again"),
      el("button", { class: "button small", onclick: () => this.chat.discard(m) }, "Remove")));
    if (this.atEnd) this.toEnd();
  }

  #empty() {
    const nothing = !this.room?.messages.some((m) => m.kind === "message");
    $("empty").hidden = !nothing;
    if (!nothing) return;
    const { me } = this.chat;
    const others = [...(this.room?.members.values() ?? [])].filter((m) => m.id !== me.id);
    let words = "You are alone in here. Open this page in a second window, or start a bot: " +
      "linnet dev bot.lua";
    if (!this.room) words = "Join or create one in the list of rooms.";
    else if (others.length) words = `Write hi: the bot in this room answers, and people do too.`;
    else if (!this.room.joined) words = "";
    setText($("empty-title"), this.room ? "Nothing said here yet" : "You are in no room");
    setText($("empty-words"), words);
  }
}
