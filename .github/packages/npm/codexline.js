#!/usr/bin/env node
// Starts the program of this platform's package. install.js replaces this file by the program itself
// where that is possible; then no Node runs at a prompt.
"use strict";
const { spawnSync } = require("child_process");
const platform = `${process.platform}-${process.arch}`;
const name = process.platform === "win32" ? "codexline.exe" : "codexline";
let program;
try {
  program = require.resolve(`@codexline/${platform}/bin/${name}`);
} catch {
  console.error(
    `codexline: no program for ${platform}; was it installed with --omit=optional?`,
  );
  process.exit(1);
}
const { status, error, signal } = spawnSync(program, process.argv.slice(2), { stdio: "inherit" });
if (error) console.error(`codexline: ${program}: ${error.message}`);
if (signal) process.kill(process.pid, signal);
process.exitCode = status ?? 1;
