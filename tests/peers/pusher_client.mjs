// SPDX-License-Identifier: MIT
// The least that speaks Pusher's protocol: for people in a test, and for what a test must see on the
// wire itself. It signs with the app's secret.
import { createHmac } from "node:crypto";
import { WebSocket } from "ws";
import { within } from "./lib.mjs";

/** Connects: {id, events, say, subscribe, wait, close}. */
export async function pusherClient({ port, key = "app-key", secret = "app-secret", host = "127.0.0.1", path = "" }) {
  const ws = new WebSocket(`ws://${host}:${port}${path}/app/${key}?protocol=7&client=test&version=1`);
  const events = [], waiting = new Set(); // events nobody has waited for yet, in order
  ws.on("message", (text) => {
    const m = JSON.parse(text);
    try { if (typeof m.data === "string") m.data = JSON.parse(m.data); } catch { /* it is a text */ }
    events.push(m);
    for (const look of [...waiting]) look();
  });
  ws.on("error", () => {});
  const self = {
    ws, events,
    say: (event, data, channel) => ws.send(JSON.stringify({ event, data, ...(channel ? { channel } : {}) })),
    /** Takes the first event that matches off the list, now or when it comes. */
    wait(match, what) {
      return within(new Promise((resolve) => {
        const look = () => {
          const i = events.findIndex(match);
          if (i < 0) return;
          waiting.delete(look);
          resolve(events.splice(i, 1)[0]);
        };
        waiting.add(look);
        look();
      }), what);
    },
    /** member: {user_id, user_info} on presence channels. */
    async subscribe(channel, member) {
      const channel_data = member && JSON.stringify(member);
      const text = [self.id, channel, ...(channel_data ? [channel_data] : [])].join(":");
      const auth = /^(private|presence)-/.test(channel) ? `${key}:${createHmac("sha256", secret).update(text).digest("hex")}` : "";
      self.say("pusher:subscribe", { channel, auth, ...(channel_data ? { channel_data } : {}) });
      return self.wait((m) => m.event === "pusher_internal:subscription_succeeded" && m.channel === channel, `${channel} to be joined`);
    },
    close: () => ws.close(),
  };
  self.id = (await self.wait((m) => m.event === "pusher:connection_established", "pusher:connection_established")).data.socket_id;
  return self;
}
