// Replaces the launcher by the program itself, so that a prompt starts no Node. Downloads nothing.
// Where it cannot, the launcher stays, and all works but slower: on Windows, where npm writes a script
// that calls Node, with Yarn, which may run a package from an archive, and with scripts disabled.
"use strict";
const fs = require("fs");
const path = require("path");
const isYarn = /\byarn\//.test(process.env.npm_config_user_agent ?? "");
if (process.platform !== "win32" && !isYarn) {
  try {
    const name = `@codexline/${process.platform}-${process.arch}/bin/codexline`;
    const launcher = path.join(__dirname, "bin", "codexline");
    const staged = `${launcher}.new`;
    fs.copyFileSync(require.resolve(name), staged);
    fs.chmodSync(staged, 0o755);
    fs.renameSync(staged, launcher);
  } catch {
    // The launcher says what is missing when it is run.
  }
}
