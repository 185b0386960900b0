// SPDX-License-Identifier: MIT
// The same work in pusher-js, for Node and Bun. client_pusher.cjs PORT inbound|idle SIZE COUNT
const Pusher = require("pusher-js");
const [port, mode, , count] = process.argv.slice(2);
const total = mode === "idle" ? Number(count) : 1;
let up = 0, n = 0, sum = 0, first;

function open(i) {
  const pusher = new Pusher(String(process.pid), {
    cluster: "", wsHost: "127.0.0.1", wsPort: Number(port), forceTLS: false, enabledTransports: ["ws"], enableStats: false,
    channelAuthorization: { customHandler: (_, done) => done(null, { auth: "key:signature" }) },
  });
  const room = pusher.subscribe("private-lobby");
  first ??= room;
  room.bind("message", (m) => { n++; sum += m.text.length + m.n; });
  room.bind("end", () => room.trigger("client-done", { n, sum }));
  room.bind("pusher:subscription_succeeded", () => {
    up++;
    if (up === total && mode === "idle") setTimeout(() => first.trigger("client-done", { n: up }), 500);
    if (i + 100 < total) open(i + 100);
  });
}
for (let i = 0; i < Math.min(100, total); i++) open(i);
