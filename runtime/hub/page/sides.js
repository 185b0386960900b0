// SPDX-License-Identifier: MIT
// Left and right of the view: the rooms, the people of the current room, oneself, and the dialog in
// which one changes name and status.
import { $, el, reconcile, setText, soon } from "./dom.js";
import { clock, setFace, statusWords } from "./look.js";

const MOST_PEOPLE = 200;
const MOST_OTHERS = 50;

const byName = (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true });
const rank = { online: 0, busy: 1, away: 2, offline: 3 };

export class Sides {
  constructor(chat) {
    this.chat = chat;
    const rooms = soon(() => this.#rooms());
    const people = soon(() => this.#people());
    const me = soon(() => this.#me());
    for (const type of ["rooms", "room", "members"]) chat.addEventListener(type, rooms);
    for (const type of ["room", "members", "me", "rooms"]) chat.addEventListener(type, people);
    chat.addEventListener("me", me);
    chat.line.addEventListener("state", me);

    $("join").addEventListener("submit", (e) => {
      e.preventDefault();
      const name = $("join-name").value.trim().replace(/^#\s*/, "");
      if (!name) return;
      $("join-name").value = "";
      chat.go(name);
      $("write").focus();
    });
    $("join-name").addEventListener("focus", () => chat.lookAround());
    this.#profile();
    this.#rooms();
    this.#me();
  }

  // --- rooms ---

  #rooms() {
    const { chat } = this;
    const counts = new Map(chat.found.map((r) => [r.name, r.members]));
    const mine = [...chat.rooms.values()].sort(byName);
    const make = ({ name }) => el("li", {}, this.#roomButton(name));
    const makeMine = ({ name }) => el("li", {}, this.#roomButton(name), this.#leaveButton(name));
    reconcile($("rooms"), mine, (r) => r.name, makeMine, (node, room) => {
      const [button, leave] = node.children;
      const current = room.name === chat.current;
      leave.hidden = !current;
      if (current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      button.classList.toggle("unread", room.unread > 0);
      const count = button.lastChild;
      count.className = room.unread ? "badge" : "hide";
      setText(count, room.unread > 99 ? "99+" : room.unread ? String(room.unread) : "");
      button.title = room.unread ? `${room.name}: ${room.unread} unread` : room.name;
    });

    const others = chat.found.filter((r) => !chat.rooms.has(r.name)).sort(byName);
    $("others").hidden = others.length === 0;
    reconcile($("other-rooms"), others.slice(0, MOST_OTHERS), (r) => r.name, make, (node, room) => {
      const n = counts.get(room.name);
      const count = node.firstChild.lastChild;
      count.className = "faint";
      setText(count, n > 0 ? String(n) : "");
      node.firstChild.title = n === 1 ? "1 person is in there" : `${n ?? 0} people are in there`;
    });
    const elsewhere = mine.some((r) => r.unread && r.name !== chat.current);
    $("unread-dot").hidden = !elsewhere;
    const words = elsewhere ? "Rooms, some with new messages" : "Rooms";
    $("show-left").setAttribute("aria-label", words);
  }

  #roomButton(name) {
    return el("button", { class: "room", onclick: () => this.chat.go(name) },
      el("span", { class: "name cut", dir: "auto" }, name), el("span", {}));
  }

  #leaveButton(name) {
    const leave = () => {
      this.chat.leave(this.chat.rooms.get(name));
      $("write").focus();
    };
    const words = `Leave the room ${name}`;
    return el("button", { class: "icon leave", "aria-label": words, title: words, onclick: leave },
      el("span", { "aria-hidden": "true" }, "×"));
  }

  // --- people ---

  #people() {
    const { chat } = this;
    const room = chat.rooms.get(chat.current);
    setText($("room-title"), room?.name ?? "");
    const here = room ? [...room.members.values()] : [];
    const gone = room ? [...room.gone.values()] : [];
    const all = [...here, ...gone].sort((a, b) => rank[a.status] - rank[b.status] || byName(a, b));
    setText($("people-title"), room?.joined ? `People · ${here.length}` : "People");
    const count = here.length === 1 ? "1 person" : `${here.length} people`;
    setText($("room-count"), room?.joined ? count : "");
    const some = all.slice(0, MOST_PEOPLE);
    const fill = (node, m) => this.#fillPerson(node, m);
    reconcile($("people"), some, (m) => m.id, () => this.#person(), fill);
    const more = all.length - MOST_PEOPLE;
    $("people-empty").hidden = more <= 0;
    setText($("people-empty"), more > 0 ? `and ${more} more` : "");
  }

  #person() {
    const dot = el("i", { class: "dot" });
    const who = el("span", { class: "who cut", dir: "auto" });
    const state = el("span", { class: "state faint cut", dir: "auto" });
    return el("li", { class: "person" },
      el("span", { class: "face", "aria-hidden": "true" }, "?", dot),
      el("span", { class: "words" }, who, state));
  }

  #fillPerson(node, m) {
    const mine = m.id === this.chat.me.id;
    setFace(node.firstChild, m);
    node.querySelector(".dot").className = `dot ${m.status}`;
    node.classList.toggle("gone", m.status === "offline");
    const who = node.querySelector(".who");
    const name = mine ? `${m.name} (you)` : m.name;
    setText(who, name);
    who.title = name;
    let words = m.text ? `${statusWords[m.status]} · ${m.text}` : statusWords[m.status];
    if (m.status === "offline" && m.last_seen) words = `last seen ${clock(m.last_seen)}`;
    const state = node.querySelector(".state");
    setText(state, words);
    state.title = words;
  }

  // --- me ---

  #me() {
    const { me, server, line } = this.chat;
    const ready = line.state === "ready";
    const status = ready ? me.status : "offline";
    const face = $("me-face");
    setFace(face, { id: me.id, name: me.name || "?" });
    if (!face.querySelector(".dot")) face.append(el("i", {}));
    face.querySelector("i").className = `dot ${status}`;
    setText($("me-name"), me.name || "guest");
    setText($("me-state"), me.text && ready ? `${status} · ${me.text}` : status);
    const words = `You: ${me.name || "guest"}, ${status}. Change name and status`;
    $("me").setAttribute("aria-label", words);
    setText($("server"), server?.version ? String(server.version) : "");
  }

  #profile() {
    const dialog = $("profile");
    const form = $("profile-form");
    $("me").addEventListener("click", () => {
      const { me } = this.chat;
      $("profile-name").value = me.name;
      $("profile-text").value = me.text;
      form.elements.status.value = me.status;
      setText($("profile-error"), "");
      dialog.showModal();
      $("profile-name").select();
    });
    $("profile-cancel").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (e) => e.target === dialog && dialog.close());
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      const name = $("profile-name").value.trim();
      if (!name) return;
      const status = form.elements.status.value;
      const trouble = await this.chat.setMe({ name, status, text: $("profile-text").value.trim() });
      if (trouble) setText($("profile-error"), trouble);
      else dialog.close();
    });
  }
}
