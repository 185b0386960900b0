// SPDX-License-Identifier: MIT
// Certificates made when the test runs, by openssl: nothing in the repository expires.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { folder } from "./shell.mjs";

const DAY = 86400e3;
const stamp = (days) => new Date(Date.now() + days * DAY).toISOString().replace(/[-:T]|\.\d+/g, "");
const settings = `[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
`;

/** A folder with an authority of its own; ca is the path of its PEM file. */
export function authority(name = "test authority") {
  const dir = folder({ "ca.cnf": settings, "index.txt": "" });
  const openssl = (...args) => {
    const r = spawnSync("openssl", args, { cwd: dir, encoding: "utf8" });
    if (r.status !== 0) throw new Error(`openssl ${args.join(" ")}\n${r.stderr}`);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", `/CN=${name}`);
  let made = 0;
  return {
    dir, ca: join(dir, "ca.pem"), read: (file) => readFileSync(join(dir, file)),
    /** A certificate signed by this authority: {cert, key}, paths; from and to are days from now. */
    make({ cn = "localhost", names = "DNS:localhost,IP:127.0.0.1", from = -1, to = 29 } = {}) {
      const base = join(dir, `c${++made}`);
      openssl("req", ...key, "-keyout", `${base}.key`, "-out", `${base}.csr`, "-subj", `/CN=${cn}`, "-addext", `subjectAltName=${names}`);
      openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", `${base}.csr`, "-out", `${base}.pem`, "-startdate", stamp(from), "-enddate", stamp(to));
      return { cert: `${base}.pem`, key: `${base}.key` };
    },
    /** One that nobody signed but itself. */
    alone({ cn = "localhost", names = "DNS:localhost,IP:127.0.0.1" } = {}) {
      const base = join(dir, `s${++made}`);
      openssl("req", "-x509", ...key, "-keyout", `${base}.key`, "-out", `${base}.pem`, "-days", "3", "-subj", `/CN=${cn}`, "-addext", `subjectAltName=${names}`);
      return { cert: `${base}.pem`, key: `${base}.key` };
    },
  };
}
/** {cert, key} of files, for node's servers. */
export const load = ({ cert, key }) => ({ cert: readFileSync(cert), key: readFileSync(key) });
