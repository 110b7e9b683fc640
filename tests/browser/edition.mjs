// Starts the local edition on a data folder of its own and ends it again.

import { spawn, execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

// The first start may build the site.
const startLimitMs = 180_000;
const stopLimitMs = 15_000;
// Of the log's end that a failed start is explained with.
const logKept = 4000;

export class Edition {
  #child;
  #program;
  #data;
  #log = "";

  /** Resolves when the edition has said its address. */
  static async start(program) {
    const edition = new Edition();
    edition.#program = program;
    edition.#data = await mkdtemp(join(tmpdir(), "aig-browser-"));
    edition.#child = spawn(program, ["--port", "0", "--data", edition.#data], { stdio: ["ignore", "pipe", "pipe"] });
    edition.#child.stderr.setEncoding("utf8");
    edition.#child.stderr.on("data", (text) => {
      edition.#log = (edition.#log + text).slice(-logKept);
    });
    try {
      edition.origin = await edition.#address();
    } catch (failure) {
      await edition.stop();
      throw failure;
    }
    return edition;
  }

  #address() {
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${why}\n${this.#log}`));
      const timer = setTimeout(() => fail("the edition didn't say its address in time"), startLimitMs);
      let text = "";
      this.#child.stdout.setEncoding("utf8");
      this.#child.stdout.on("data", (more) => {
        text += more;
        const line = /^(http:\/\/localhost:\d+)\s*$/m.exec(text);
        if (!line) return;
        clearTimeout(timer);
        resolve(line[1]);
      });
      this.#child.once("error", (failure) => fail(String(failure)));
      this.#child.once("exit", (code) => {
        clearTimeout(timer);
        fail(`the edition ended with ${code} before it was ready`);
      });
    });
  }

  /** A personal token of `email`, as the edition's own command makes it. */
  async token(email) {
    const { stdout } = await promisify(execFile)(this.#program, ["token", email, "--data", this.#data]);
    return stdout.trim();
  }

  /** Ends the edition and removes what it has stored. */
  async stop() {
    const child = this.#child;
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopLimitMs);
      await ended;
      clearTimeout(timer);
    }
    await rm(this.#data, { recursive: true, force: true });
  }
}
