// SPDX-License-Identifier: MIT
// What is measured. A suite: what the server and the client are told, and which figure of the
// server's report counts. `of`: the clients that can do it; `same`: more suites on the same run;
// `slow`: not with --quick; `once`: one round, because it lasts long or does not vary.
const cpu = (r) => r.cpu_ns / r.count;
const mb = (key) => (r) => r[key] / 1024;
const ns = "ns/event";

export function suitesFor(scale) {
  const n = (x) => Math.max(10, Math.round(x * scale));
  const inbound = (name, size, count, more = {}) => ({ name, mode: "inbound", size, count: n(count), unit: ns, value: cpu, ...more });
  const idle = (lines, more = {}) => ({
    name: `${lines.toLocaleString("en")} idle lines`, mode: "idle", size: 60, count: lines, unit: "MB private", value: mb("private_kb"), once: true, ...more });
  const wake = (lines, more = {}) => ({
    name: `single events, ${lines.toLocaleString("en")} line${lines > 1 ? "s" : ""}`, mode: "wake", size: 240, count: n(6000), rate: 2000, lines, unit: ns, value: cpu, ...more });
  const heard = (names) => inbound(`one of ${names.toLocaleString("en")} listeners`, 240, 200000, { mode: "others", lines: names });
  return [
    inbound("inbound 60 B", 60, 300000),
    inbound("inbound 240 B", 240, 300000),
    inbound("inbound 2 KB", 2048, 100000),
    inbound("inbound 240 B over TLS", 240, 300000, { tls: true }),
    inbound("raw WebSocket 240 B", 240, 300000, { proto: "ws" }),
    inbound("raw WebSocket 2 KB", 2048, 100000, { proto: "ws" }),
    inbound("Pusher 240 B", 240, 200000, { proto: "pusher" }),
    { name: "emit 240 B", mode: "emit", size: 240, count: n(100000), unit: ns, value: cpu },
    { name: "ack round trip p50", mode: "rtt", size: 60, count: n(10000), unit: "us", value: (r) => r.done.p50 / 1000,
      same: [{ name: "ack round trip p99", unit: "us", value: (r) => r.done.p99 / 1000 }, { name: "ack round trip", unit: "ns CPU", value: cpu }] },
    { name: "start to connected", mode: "start", size: 60, count: 1, unit: "ms", value: (r, started) => (r.now_ns - started) / 1e6 },
    { ...idle(1), name: "resident memory", unit: "MB", value: mb("rss_kb"), same: [{ name: "private memory", unit: "MB", value: mb("private_kb") }] },
    idle(100), idle(1000), idle(10000, { slow: true }),
    idle(1000, { name: "1,000 idle lines, raw WebSocket", proto: "ws" }), idle(1000, { name: "1,000 idle lines, Pusher", proto: "pusher" }),
    wake(1), wake(1000, { once: true }), wake(10000, { once: true, slow: true }),
    heard(1), heard(100), heard(10000),
    inbound("100 names in turn", 240, 200000, { mode: "names", lines: 100, names: 100 }),
    inbound("10,000 names in turn", 240, 200000, { mode: "names", lines: 10000, names: 10000 }),
    ...[1, 2, 5, 10].map((scripts) => inbound(`inbound 240 B, ${scripts} script${scripts > 1 ? "s" : ""}`, 240, 100000, { scripts, of: ["linnet"] })),
    { ...idle(1), name: "50 scripts", unit: "MB private", scripts: 50, of: ["linnet"] },
    inbound("inbound 240 B, 20 reloads", 240, 1500000, { clientMode: "reload", reloads: 20, of: ["linnet"],
      same: [{ name: "a reload meanwhile, median", unit: "ms", value: (r) => r.reloads[r.reloads.length >> 1] },
        { name: "a reload meanwhile, longest", unit: "ms", value: (r) => r.reloads.at(-1) }] }),
    { name: "linnet dev until its page answers", mode: "dev", unit: "ms", value: (r) => r.ms, of: ["linnet"] },
  ];
}
