// SPDX-License-Identifier: MIT
// Servers that are programs of their own: soketi, nginx, python-socketio's. Each is ready when it
// takes a connection, and ends with the test.
import { spawn } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { closed, folder } from "./shell.mjs";
import { within } from "./lib.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** Resolves once somebody takes connections at the port. */
export function listening(port, child, said = () => "") {
  const again = (resolve, reject) => {
    if (child && (child.exitCode !== null || child.signalCode)) return reject(new Error(`it ended\n${said()}`));
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("connect", () => { socket.destroy(); resolve(); });
    socket.on("error", () => setTimeout(again, 20, resolve, reject));
  };
  return within(new Promise(again), `port ${port}`);
}

/** A program that is a server at that port: {port, said(), stop()}. */
export async function program(command, args, port, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let text = "";
  children.add(child);
  child.stdout.on("data", (d) => (text += d));
  child.stderr.on("data", (d) => (text += d));
  const exited = new Promise((r) => child.on("close", () => { children.delete(child); r(); }));
  await listening(port, child, () => text);
  return { port, said: () => text, async stop(signal = "SIGTERM") { child.kill(signal); await within(exited, `${command} to end`); } };
}

/** soketi with one app: {port, key, secret, ...}; env: more SOKETI_… settings. */
export async function soketi({ port = 0, env = {} } = {}) {
  const bin = join(here, "soketi/node_modules/@soketi/soketi/bin/server.js");
  if (!existsSync(bin)) throw new Error("soketi is not installed: npm ci in tests/peers/soketi");
  const at = port || (await closed()), metrics = await closed();
  const settings = {
    SOKETI_HOST: "127.0.0.1", SOKETI_PORT: at, SOKETI_METRICS_SERVER_PORT: metrics, SOKETI_SHUTDOWN_GRACE_PERIOD: 0,
    SOKETI_DEFAULT_APP_ID: "app-id", SOKETI_DEFAULT_APP_KEY: "app-key", SOKETI_DEFAULT_APP_SECRET: "app-secret",
    SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES: "true", SOKETI_DEFAULT_APP_USER_AUTHENTICATION: "true", AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE: "1", ...env,
  };
  const s = await program(process.execPath, [bin, "start"], at, { cwd: join(here, "soketi"), env: { ...process.env, ...settings } });
  return { ...s, key: "app-key", secret: "app-secret", id: "app-id", url: `pusher://app-key@127.0.0.1:${at}`, http: `http://127.0.0.1:${at}` };
}

/** nginx with tests/peers/nginx/NAME.conf; in it @NAME@ is replaced by words[NAME]. @PORT@ is free. */
export async function nginx(name, words = {}) {
  const port = await closed(), dir = folder({ "logs/none": "" });
  chmodSync(dir, 0o755); // started by root it works as somebody else, who keeps big bodies here
  const text = readFileSync(join(here, "nginx", `${name}.conf`), "utf8");
  const conf = text.replace(/@(\w+)@/g, (_, word) => ({ PORT: port, DIR: dir, ...words })[word] ?? `missing ${word}`);
  writeFileSync(join(dir, "nginx.conf"), conf);
  const s = await program("nginx", ["-p", dir, "-e", join(dir, "error.log"), "-c", join(dir, "nginx.conf")], port, { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
  return { ...s, errors: () => readFileSync(join(dir, "error.log"), "utf8") };
}
