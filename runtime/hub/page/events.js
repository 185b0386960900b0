// SPDX-License-Identifier: MIT
// The Events tab: every event that goes through the hub, as the hub's `trace` tells it. The newest
// is at the bottom. While one has paused or reads further up nothing in the list moves: what comes
// then is held back, and shown when one goes on.
import { $, el, setText } from "./dom.js";
import { exactTime, size } from "./look.js";

const MOST = 1000; // rows shown, and events held back
const NEAR_PX = 30;
const DENIED = "Events are shown by “linnet dev”, to a page on the same machine.";
const HEARTBEATS = new Set(["ping", "pong", "heartbeat"]);

// The hub's words for the direction, as the scripts see it.
const WAYS = {
  in: { sign: "←", name: "in", words: "received" },
  out: { sign: "→", name: "out", words: "sent" },
};

// "hi -typing lobby": has both words, has not the one with the minus.
export function makeFilter(text) {
  const words = text.toLowerCase().split(/\s+/).filter((w) => w && w !== "-");
  const has = (t, w) => (w[0] === "-" ? !t.words.includes(w.slice(1)) : t.words.includes(w));
  return (t) => words.every((w) => has(t, w));
}

function clean(raw) {
  const way = WAYS[raw.dir] ?? { sign: "·", name: "other", words: String(raw.dir ?? "") };
  const t = { t: raw.t, way };
  for (const name of ["conn", "name", "room", "by", "user", "text"]) {
    const value = raw[name];
    t[name] = typeof value === "string" ? value : value == null ? "" : JSON.stringify(value);
  }
  t.size = Number(raw.size);
  t.words = [t.conn, t.name, t.room, t.user, t.by, t.text].join(" ").toLowerCase();
  return t;
}

// What was said, or the arguments as they are; the hub may have cut them short.
function preview(args) {
  const said = /"text":"((?:[^"\\]|\\.)+)("?)/.exec(args);
  try {
    return said ? `“${JSON.parse(`"${said[1]}"`)}${said[2] ? "”" : "…"}` : args;
  } catch {
    return args;
  }
}

function row(t) {
  const cell = (name, text, title = text) =>
    el("td", { class: text ? name : `${name} none`, title: title || null }, text || "–");
  return el("tr", { class: t.way.name },
    cell("time", exactTime(t.t)),
    el("td", { class: "way", title: t.way.words },
      el("span", { "aria-hidden": "true" }, t.way.sign),
      el("span", { class: "hide" }, t.way.words)),
    cell("conn", t.conn), cell("what", t.name), cell("place", t.room), cell("from", t.user),
    cell("num", size(t.size), Number.isFinite(t.size) ? `${t.size} bytes` : null),
    cell("by", t.by), cell("text", preview(t.text), t.text));
}

export class Events {
  constructor(line) {
    this.line = line;
    this.box = $("ev-scroll");
    this.rows = $("ev-rows");
    this.kept = []; // the events of the list, also those that the filter hides; at most MOST
    this.held = []; // came while nothing may move; at most MOST
    this.missed = 0; // held ones that were dropped
    this.filter = makeFilter("");
    this.paused = false;
    this.reading = false; // scrolled up
    this.top = 0;
    this.state = "";

    // From the first moment on, not when the tab is opened: one opens it because of what has happened.
    line.addEventListener("ready", () => this.#subscribe());
    line.addEventListener("hub:trace", (e) => this.#take(e.detail));
    this.box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    $("ev-filter").addEventListener("input", () => {
      this.filter = makeFilter($("ev-filter").value);
      this.#redraw();
    });
    $("ev-pause").addEventListener("click", () => {
      this.paused = !this.paused;
      $("ev-pause").setAttribute("aria-pressed", String(this.paused));
      setText($("ev-pause"), this.paused ? "Go on" : "Pause");
      if (!this.paused) this.#goOn();
      this.#words();
    });
    $("ev-newer").addEventListener("click", () => {
      if (this.paused) $("ev-pause").click();
      else this.#goOn();
      this.box.focus();
    });
    $("ev-clear").addEventListener("click", () => {
      this.kept = [];
      this.held = [];
      this.missed = 0;
      this.#redraw();
    });
  }

  open() {
    this.#words();
    if (this.reading) this.box.scrollTop = this.top; // lost while the tab was hidden
    else this.#toEnd();
  }

  async #subscribe() {
    this.state = "";
    try {
      const answer = await this.line.request("trace", { on: true }, { lenient: true });
      this.state = answer.ok ? "on" : "denied";
    } catch {
      this.state = this.line.state === "ready" ? "denied" : "";
    }
    this.#words();
  }

  #take(raw) {
    if (raw === null || typeof raw !== "object" || HEARTBEATS.has(raw.name)) return;
    this.held.push(clean(raw));
    if (this.held.length > MOST) {
      this.held.shift();
      this.missed++;
    }
    if (this.drawing) return;
    this.drawing = true;
    // Not while the tab is hidden: an animation frame waits until somebody looks.
    requestAnimationFrame(() => {
      this.drawing = false;
      if (!this.paused && !this.reading) this.#flush();
      this.#words();
    });
  }

  // Shows what was held back.
  #flush() {
    const add = this.held.splice(0);
    this.missed = 0;
    this.kept.push(...add);
    for (const t of this.kept.splice(0, Math.max(0, this.kept.length - MOST))) t.row?.remove();
    for (const t of add) t.row = this.filter(t) ? row(t) : undefined;
    this.rows.append(...add.map((t) => t.row).filter(Boolean));
    this.#toEnd();
  }

  #goOn() {
    this.reading = false;
    this.#flush();
    this.#words();
  }

  #redraw() {
    for (const t of this.kept) t.row = this.filter(t) ? (t.row ?? row(t)) : undefined;
    this.rows.replaceChildren(...this.kept.map((t) => t.row).filter(Boolean));
    if (!this.reading) this.#toEnd();
    this.#words();
  }

  #toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.top = this.box.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    if (clientHeight === 0) return; // the other tab is in front
    const atEnd = scrollHeight - scrollTop - clientHeight <= NEAR_PX;
    const up = scrollTop < this.top;
    this.top = scrollTop;
    if (this.reading && atEnd && !this.paused) this.#goOn();
    if (atEnd) this.reading = false;
    else if (up) this.reading = true; // else it is the list that has grown
  }

  #words() {
    const shown = this.rows.childElementCount;
    const fits = this.held.filter(this.filter).length + this.missed;
    $("ev-newer").hidden = fits === 0 || !(this.paused || this.reading);
    setText($("ev-newer"), `↓ ${fits} new ${fits === 1 ? "event" : "events"}`);
    const all = this.kept.length;
    setText($("ev-count"), shown === all ? `${shown}` : `${shown} of ${all}`);
    $("ev-empty").hidden = shown > 0;
    let words = "Waiting for the hub.";
    if (all) words = "No event has these words.";
    else if (this.state === "denied") words = DENIED;
    else if (this.state === "on") words = "No event yet. Write in the chat: it shows up here.";
    setText($("ev-empty"), words);
  }
}
