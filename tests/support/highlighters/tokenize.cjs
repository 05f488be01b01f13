// Colours texts as Visual Studio Code does: its tokeniser with its regular expressions.
// Arguments: the folder of node_modules, the grammar, perhaps the name of a theme. Standard input: a JSON list of texts.
// Standard output: for each text its lines, of each the places (in UTF-16 units) and scopes of its tokens, with a theme
// their colour and style in place of the scopes; and how many regions were open inside each other at most where a line
// ended.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const [folder, grammarPath, themeName] = process.argv.slice(2);
const load = createRequire(path.join(path.resolve(folder), "here.js"));
const textmate = load("vscode-textmate");
const oniguruma = load("vscode-oniguruma");

const GRAMMARS = {
  "source.metalor": grammarPath,
  "source.shell": path.join(folder, "node_modules/tm-grammars/grammars/shellscript.json"),
};

// Where the tokeniser's numbers have the colour and the style.
const COLOUR = { mask: 0b00000000111111111000000000000000, offset: 15 };
const STYLE = { mask: 0b00000000000000000111100000000000, offset: 11 };

function theme(name) {
  const raw = JSON.parse(fs.readFileSync(path.join(folder, "node_modules/tm-themes/themes", `${name}.json`), "utf8"));
  const plain = { foreground: raw.colors["editor.foreground"], background: raw.colors["editor.background"] };
  return { name, settings: [{ settings: plain }, ...raw.tokenColors] };
}

function painted(line, stack, grammar, colours) {
  const done = grammar.tokenizeLine2(line, stack);
  const tokens = [];
  for (let at = 0; at < done.tokens.length; at += 2) {
    const [start, metadata] = [done.tokens[at], done.tokens[at + 1]];
    const end = at + 2 < done.tokens.length ? done.tokens[at + 2] : line.length;
    const style = (metadata & STYLE.mask) >>> STYLE.offset;
    tokens.push([start, end, `${colours[(metadata & COLOUR.mask) >>> COLOUR.offset]} ${style}`.toLowerCase()]);
  }
  return { ...done, tokens };
}

async function main() {
  const wasm = fs.readFileSync(path.join(folder, "node_modules/vscode-oniguruma/release/onig.wasm"));
  await oniguruma.loadWASM(wasm);
  const registry = new textmate.Registry({
    theme: themeName ? theme(themeName) : undefined,
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
      const done = themeName
        ? painted(line, stack, grammar, registry.getColorMap())
        : grammar.tokenizeLine(line, stack);
      if (done.stoppedEarly) throw new Error(`no time for ${JSON.stringify(line)}`);
      stack = done.ruleStack;
      depth = Math.max(depth, stack.depth);
      return themeName ? done.tokens : done.tokens.map((token) => [token.startIndex, token.endIndex, token.scopes.join(" ")]);
    });
    return { lines, depth };
  });
  fs.writeFileSync(1, JSON.stringify(answer));
}

main();
