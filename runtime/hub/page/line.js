// SPDX-License-Identifier: MIT
// The line to the hub: plain JSON over WebSocket (docs/hub.md). Keeps it open, numbers the
// requests, and comes back by itself with growing, jittered waits. It knows no rooms.
//
// Events: `ready` (detail: the hub's session), `down` (detail: {wait} in seconds), `count` (a
// second has gone by while waiting), and for every event of the hub one called `hub:NAME`.

const FIRST_WAIT = 1; // seconds; doubles with each attempt in a row
const LONGEST_WAIT = 15;
const STABLE_MS = 5000; // a line that lasted this long starts the waits anew
const ANSWER_MS = 10000; // no answer for so long: the line is dead, whatever the socket says

export class Line extends EventTarget {
  // address() is asked at every attempt, because a name may have changed.
  constructor(address) {
    super();
    this.address = address;
    this.state = "connecting"; // "ready", "down"
    this.attempts = 0;
    this.waits = new Map(); // number of a request -> its promise
    this.number = 0;
    this.refusal = ""; // why the hub sent us away at the last attempt
  }

  open() {
    clearInterval(this.counter);
    this.state = "connecting";
    this.#tell("state");
    this.refusal = "";
    const socket = new WebSocket(this.address());
    this.socket = socket;
    socket.onmessage = (m) => socket === this.socket && this.#take(m.data);
    socket.onclose = () => this.#lost(socket);
    // A hub that accepts and then says nothing is as good as none.
    this.patience = setTimeout(() => this.#drop(socket), ANSWER_MS);
  }

  // Connects at once when a wait is under way; proves the line when it is open.
  hurry() {
    if (this.state === "down") this.open();
    else if (this.state === "ready") this.request("rooms").catch(() => {});
  }

  // An event that nobody answers; false when there is no line.
  send(event, data) {
    if (this.state !== "ready") return false;
    this.socket.send(JSON.stringify({ event, data }));
    return true;
  }

  // Resolves with the hub's answer, {ok, …}. Rejects when the line goes first. `lenient`: no
  // answer is not taken for a dead line (for what a hub may not know).
  request(event, data = {}, { lenient = false } = {}) {
    if (this.state !== "ready") return Promise.reject(new Error("the line is down"));
    const socket = this.socket;
    const ack = ++this.number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waits.delete(ack);
        reject(new Error("no answer"));
        if (!lenient) this.#drop(socket);
      }, ANSWER_MS);
      this.waits.set(ack, { resolve, reject, timer });
      socket.send(JSON.stringify({ event, data, ack }));
    });
  }

  #take(text) {
    let packet;
    try {
      packet = JSON.parse(text);
    } catch {
      return; // no hub of ours; the missing answers will tell
    }
    if (packet === null || typeof packet !== "object") return;
    if (packet.ack !== undefined && packet.event === undefined) {
      const wait = this.waits.get(packet.ack);
      if (!wait) return;
      this.waits.delete(packet.ack);
      clearTimeout(wait.timer);
      wait.resolve(packet.data ?? {});
    } else if (packet.event === "session") {
      clearTimeout(this.patience);
      this.state = "ready";
      this.since = performance.now();
      this.#tell("state");
      this.#tell("ready", packet.data);
    } else if (packet.event === "error" && this.state === "connecting") {
      this.refusal = String(packet.data?.message ?? "no reason given");
    } else if (typeof packet.event === "string") {
      this.#tell("hub:" + packet.event, packet.data ?? {});
    }
  }

  // A socket whose other end is gone may take minutes to close: it is given up at once.
  #drop(socket) {
    socket.close();
    this.#lost(socket);
  }

  #lost(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.patience);
    if (this.state === "ready" && performance.now() - this.since > STABLE_MS) this.attempts = 0;
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.attempts++);
    const wait = longest * (0.5 + Math.random() / 2);
    this.state = "down";
    for (const { reject, timer } of this.waits.values()) {
      clearTimeout(timer);
      reject(new Error("the line went down"));
    }
    this.waits.clear();
    this.until = performance.now() + wait * 1000;
    this.#tell("state");
    this.#tell("down");
    this.counter = setInterval(() => {
      if (this.secondsLeft() <= 0) this.open();
      else this.#tell("count");
    }, 250);
  }

  secondsLeft() {
    return Math.max(0, Math.ceil((this.until - performance.now()) / 1000));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
