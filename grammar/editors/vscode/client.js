// Starts `metalor lsp` for recipes. Everything the editor shows of a recipe besides colours comes from there.
"use strict";

const vscode = require("vscode");
const { LanguageClient, State } = require("vscode-languageclient/node");

// The settings with which the server is started, and those that it reads itself.
const STARTING = ["enable", "path", "arguments"];
const SERVERS = ["contexts", "args", "platform", "store", "delay", "hints", "documentation"];

/** @type {LanguageClient | undefined} */
let client;

function forServer() {
  const settings = vscode.workspace.getConfiguration("metalor");
  return Object.fromEntries(SERVERS.map((name) => [name, settings.get(name)]));
}

async function start() {
  const settings = vscode.workspace.getConfiguration("metalor");
  if (!settings.get("enable")) return;
  const command = settings.get("path");
  client = new LanguageClient(
    "metalor",
    "Metalor",
    { command, args: ["lsp", ...settings.get("arguments")] },
    {
      documentSelector: [{ language: "metalor", scheme: "file" }, { language: "metalor", scheme: "untitled" }],
      initializationOptions: forServer(),
      middleware: { workspace: { configuration: (asked) => asked.items.map(forServer) } },
    },
  );
  try {
    await client.start();
  } catch (error) {
    const chosen = await vscode.window.showErrorMessage(
      `metalor: the language server \`${command} lsp\` does not start: ${error instanceof Error ? error.message : error}. ` +
        'Install it with: pip install "metalor-lang[lsp]", or say where it is.',
      "Open settings",
    );
    if (chosen) await vscode.commands.executeCommand("workbench.action.openSettings", "metalor.path");
  }
}

async function stop() {
  const old = client;
  client = undefined;
  if (old && old.state !== State.Stopped) await old.stop();
}

async function restart() {
  await stop();
  await start();
}

async function changed(change) {
  const touches = (name) => change.affectsConfiguration(`metalor.${name}`);
  if (STARTING.some(touches)) await restart();
  else if (client && client.state === State.Running && SERVERS.some(touches)) {
    await client.sendNotification("workspace/didChangeConfiguration", { settings: forServer() });
  }
}

exports.activate = async (context) => {
  context.subscriptions.push(
    vscode.commands.registerCommand("metalor.restartServer", restart),
    vscode.workspace.onDidChangeConfiguration(changed),
  );
  await start();
};

exports.deactivate = stop;
