// SPDX-License-Identifier: MIT
// Where one writes: Enter sends, drafts are kept for each room, and the room is told that one is
// typing. Shows who else is.
import { $, notice, setText } from "./dom.js";
import { people } from "./look.js";

const REPEAT_MS = 4000; // a client that hears nothing for twice as long takes it for over
const PAUSE_MS = 3000; // without a key: no longer typing

export class Composer {
  constructor(chat, messages) {
    this.chat = chat;
    this.messages = messages;
    this.field = $("write");
    this.room = null;
    this.told = 0; // when the room was told last, 0: it thinks that we do not type

    chat.addEventListener("room", (e) => this.#turn(e.detail.room));
    chat.addEventListener("typing", (e) => e.detail.room === this.room && this.#others());
    this.field.addEventListener("input", () => this.#input());
    this.field.addEventListener("keydown", (e) => {
      if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
      e.preventDefault();
      this.#send();
    });
    $("composer").addEventListener("submit", (e) => {
      e.preventDefault();
      this.#send();
      this.field.focus();
    });
  }

  #turn(room) {
    if (this.room) this.room.draft = this.field.value;
    this.#stop();
    this.room = room ?? null;
    this.field.value = room?.draft ?? "";
    this.field.disabled = !room;
    $("send").disabled = !room;
    this.field.placeholder = room ? `Write to #${room.name}` : "Join a room first";
    this.#grow();
    this.#others();
  }

  #send() {
    const text = this.field.value.replace(/^\n+|\s+$/g, "");
    if (!text || !this.room) return;
    const trouble = this.chat.send(this.room, text);
    if (trouble) {
      notice(trouble);
      return;
    }
    this.field.value = "";
    this.#grow();
    this.#stop();
  }

  #input() {
    this.#grow();
    if (!this.room) return;
    clearTimeout(this.pause);
    if (!this.field.value.trim()) {
      this.#stop();
      return;
    }
    const now = performance.now();
    if (!this.told || now - this.told > REPEAT_MS) {
      this.told = now;
      this.chat.typing(this.room, true);
    }
    this.pause = setTimeout(() => this.#stop(), PAUSE_MS);
  }

  #stop() {
    clearTimeout(this.pause);
    if (this.told && this.room) this.chat.typing(this.room, false);
    this.told = 0;
  }

  // For browsers without field-sizing.
  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight + 2}px`;
  }

  #others() {
    const names = [...(this.room?.typing.values() ?? [])].map((t) => t.name);
    const words = names.length ? people(names, ["is typing…", "are typing…"]) : "";
    setText($("typing"), words);
  }
}
