// SPDX-License-Identifier: MIT
// The same work in pusher-js, for Node and Bun. client_pusher.cjs PORT inbound SIZE COUNT
const Pusher = require("pusher-js");
const pusher = new Pusher(String(process.pid), {
  cluster: "", wsHost: "127.0.0.1", wsPort: Number(process.argv[2]), forceTLS: false, enabledTransports: ["ws"], enableStats: false,
  channelAuthorization: { customHandler: (_, done) => done(null, { auth: "key:signature" }) },
});
let n = 0, sum = 0;
const room = pusher.subscribe("private-lobby");
room.bind("message", (m) => { n++; sum += m.text.length + m.n; });
room.bind("end", () => room.trigger("client-done", { n, sum }));
