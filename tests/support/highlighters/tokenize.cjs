// Colours texts as Visual Studio Code does: its tokeniser with its regular expressions.
// Arguments: the folder of node_modules, the grammar. Standard input: a JSON list of texts.
// Standard output: for each text its lines, of each the places (in UTF-16 units) and scopes of its tokens; and how many
// regions were open inside each other at most where a line ended.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const [folder, grammarPath] = process.argv.slice(2);
const load = createRequire(path.join(path.resolve(folder), "here.js"));
const textmate = load("vscode-textmate");
const oniguruma = load("vscode-oniguruma");

const GRAMMARS = {
  "source.metalor": grammarPath,
  "source.shell": path.join(folder, "node_modules/tm-grammars/grammars/shellscript.json"),
};

async function main() {
  const wasm = fs.readFileSync(path.join(folder, "node_modules/vscode-oniguruma/release/onig.wasm"));
  await oniguruma.loadWASM(wasm);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async (scope) =>
      scope in GRAMMARS ? textmate.parseRawGrammar(fs.readFileSync(GRAMMARS[scope], "utf8"), "grammar.json") : null,
  });
  const grammar = await registry.loadGrammar("source.metalor");
  const answer = JSON.parse(fs.readFileSync(0, "utf8")).map((text) => {
    let stack = textmate.INITIAL;
    let depth = 0;
    const lines = text.split("\n").map((line) => {
      const done = grammar.tokenizeLine(line, stack);
      if (done.stoppedEarly) throw new Error(`no time for ${JSON.stringify(line)}`);
      stack = done.ruleStack;
      depth = Math.max(depth, stack.depth);
      return done.tokens.map((token) => [token.startIndex, token.endIndex, token.scopes.join(" ")]);
    });
    return { lines, depth };
  });
  fs.writeFileSync(1, JSON.stringify(answer));
}

main();
