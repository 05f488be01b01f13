// Starts `metalor lsp` for recipes. Everything the editor shows of a recipe besides colours comes from there.
"use strict";

const vscode = require("vscode");
const { LanguageClient, State } = require("vscode-languageclient/node");

/** @type {LanguageClient | undefined} */
let client;

async function start() {
  const settings = vscode.workspace.getConfiguration("metalor");
  if (!settings.get("enable")) return;
  const command = settings.get("path");
  client = new LanguageClient(
    "metalor",
    "Metalor",
    { command, args: ["lsp", ...settings.get("arguments")] },
    { documentSelector: [{ language: "metalor", scheme: "file" }, { language: "metalor", scheme: "untitled" }] },
  );
  try {
    await client.start();
  } catch (error) {
    const chosen = await vscode.window.showErrorMessage(
      `metalor: the language server \`${command} lsp\` does not start: ${error.message}. ` +
        'Install it with: pip install "metalor-lang[lsp]", or say where it is.',
      "Open settings",
    );
    if (chosen) vscode.commands.executeCommand("workbench.action.openSettings", "metalor.path");
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

exports.activate = async (context) => {
  context.subscriptions.push(
    vscode.commands.registerCommand("metalor.restartServer", restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      const ours = ["metalor.enable", "metalor.path", "metalor.arguments"];
      if (ours.some((name) => change.affectsConfiguration(name))) return restart();
    }),
  );
  await start();
};

exports.deactivate = stop;
